// A made-up scaling study, for tests of its page.
#ifndef PLUMBLINE_TESTS_SUPPORT_SCALE_DEMO_H_
#define PLUMBLINE_TESTS_SUPPORT_SCALE_DEMO_H_

#include "tools/scale_report_data.h"

namespace plumbline {

// Every part is there, with figures like those of a model of 160M parameters on two cores.
ScaleReportData ScaleDemo();

}  // namespace plumbline

#endif  // PLUMBLINE_TESTS_SUPPORT_SCALE_DEMO_H_
