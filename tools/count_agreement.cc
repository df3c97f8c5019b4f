#include "tools/count_agreement.h"

#include "absl/strings/str_cat.h"
#include "tools/table.h"

namespace plumbline {

std::string AgreementText(const CountAgreement& agreement, const std::string& of_what) {
  if (agreement.differences == 0) {
    return WrapText(absl::StrCat("All ", FormatCount(agreement.figures), " counts", of_what,
                                 " equal their formulas, to the unit."));
  }
  return WrapText(absl::StrCat("!= ", FormatCount(agreement.differences), " of ",
                               FormatCount(agreement.figures),
                               " counts differ from their formulas: a bug, or a finding."));
}

}  // namespace plumbline
