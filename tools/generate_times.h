// The times of a run's steps by class of work, measured beside predicted; and what the articles'
// figures leave out.
#ifndef PLUMBLINE_TOOLS_GENERATE_TIMES_H_
#define PLUMBLINE_TOOLS_GENERATE_TIMES_H_

#include <string>

#include "tools/generate.h"

namespace plumbline {

// Of one request its prefill and its median decode step; of several all steps together. By class:
// seconds measured and predicted, the residual (measured over predicted, less one), what bounds the
// class, and its share of what the machine could reach: the larger of compute and memory time over
// the time measured. Then the largest residual by name. Without a machine profile only measured
// times, and how to get the rest. Empty where nothing ran.
std::string TimeTables(const GenerateRun& run);

// Why the articles' figures differ from the measured ones, a line for each reason that this model
// gives, and their sizes of stored scores beside what stands in for them here.
std::string ArticleNotes(const GenerateRun& run);

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_GENERATE_TIMES_H_
