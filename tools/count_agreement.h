// Measured counts held against their formulas: how many, and how many differ.
#ifndef PLUMBLINE_TOOLS_COUNT_AGREEMENT_H_
#define PLUMBLINE_TOOLS_COUNT_AGREEMENT_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "engine/work.h"

namespace plumbline {

struct CountAgreement {
  int64_t figures = 0;
  int64_t differences = 0;

  void Compare(int64_t measured, int64_t formula) {
    ++figures;
    if (measured != formula) ++differences;
  }
  // By class of work.
  void Compare(const ByteCounts& measured, const ByteCounts& formula) {
    for (size_t c = 0; c < measured.size(); ++c) Compare(measured[c], formula[c]);
  }
  void Compare(const MacCounts& measured, const MacCounts& formula) {
    Compare(measured.useful, formula.useful);
    Compare(measured.executed, formula.executed);
  }
  CountAgreement& operator+=(const CountAgreement& other) {
    figures += other.figures;
    differences += other.differences;
    return *this;
  }
};

// "All 1,410 counts{of_what} equal their formulas, to the unit.", or how many do not, behind "!=".
// Lines of at most 80 columns.
std::string AgreementText(const CountAgreement& agreement, const std::string& of_what = "");

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_COUNT_AGREEMENT_H_
