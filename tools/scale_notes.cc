#include "tools/scale_notes.h"

#include "absl/strings/str_cat.h"
#include "tools/scale_findings_json.h"
#include "tools/table.h"

namespace plumbline {
namespace {

std::string LeftOutNote(const std::vector<std::string>& reasons) {
  if (reasons.empty()) return "";
  std::string text = "\nLeft out\n";
  for (const std::string& reason : reasons) {
    absl::StrAppend(&text, WrapText(absl::StrCat("- ", Printable(reason)), 2));
  }
  return text;
}

std::string CountsNote(const ScaleData& data) {
  const ScaleAgreement agreement = CompareWithFormulas(data);
  if (agreement.figures == 0) return "Nothing was measured.\n";
  if (agreement.differences == 0) {
    return WrapText(absl::StrCat("All ", FormatCount(agreement.figures), " counts of all ",
                                 FormatCount(static_cast<int64_t>(data.samples.size())),
                                 " samples equal their formulas, to the unit."));
  }
  return WrapText(absl::StrCat("!= ", FormatCount(agreement.differences), " of ",
                               FormatCount(agreement.figures),
                               " counts differ from their formulas: a bug, or a finding."));
}

}  // namespace

ScaleAgreement CompareWithFormulas(const ScaleData& data) {
  ScaleAgreement agreement;
  const auto compare = [&agreement](int64_t measured, int64_t formula) {
    ++agreement.figures;
    if (measured != formula) ++agreement.differences;
  };
  for (const ScaleSample& sample : data.samples) {
    for (size_t c = 0; c < kNumWorkClasses; ++c) {
      compare(sample.macs.useful[c], sample.formula_macs.useful[c]);
      compare(sample.macs.executed[c], sample.formula_macs.executed[c]);
      compare(sample.bytes[c], sample.formula_bytes[c]);
    }
    compare(sample.softmax_pairs, sample.formula_softmax_pairs);
  }
  return agreement;
}

std::string ScaleNotes(const ScaleStudy& study, const std::string& folder) {
  std::string text = absl::StrCat(LeftOutNote(study.left_out), "\n", CountsNote(study.data));
  if (!study.same_bits_exception.empty()) {
    absl::StrAppend(&text, WrapText(absl::StrCat("Here a token's results depend on what runs "
                                                 "beside it: ",
                                                 study.same_bits_exception)));
  }
  if (folder.empty()) return text;
  return absl::StrCat(
      text, WrapText(absl::StrCat("Written to ", Printable(folder), ": ", kScaleJsonFile, " and ",
                                  kScaleCsvFile, " with every sample, ", kScaleFindingsFile,
                                  ", and page.html with pictures where gnuplot is.")));
}

}  // namespace plumbline
