#include "tools/scale_notes.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tools/scale_findings_json.h"
#include "tools/scale_run.h"
#include "tools/table.h"

namespace plumbline {
namespace {

// A short study on a slow machine has many points for which there is no time: they are counted, for
// one cure serves them all.
std::string LeftOutNote(const std::vector<std::string>& reasons, bool in_file) {
  if (reasons.empty()) return "";
  std::string text = "\nLeft out\n";
  const auto add = [&text](const std::string& words) {
    absl::StrAppend(&text, WrapText(absl::StrCat("- ", Printable(words)), 2));
  };
  const auto is_late = [](const std::string& reason) {
    return absl::EndsWith(reason, kNoTimeLeft);
  };
  const auto late = std::count_if(reasons.begin(), reasons.end(), is_late);
  for (const std::string& reason : reasons) {
    if (late == 1 || !is_late(reason)) add(reason);
  }
  if (late > 1) {
    const auto last = std::find_if(reasons.rbegin(), reasons.rend(), is_late);
    const std::string what = last->substr(0, last->size() - kNoTimeLeft.size() - 2);
    add(absl::StrCat(FormatCount(late), " parts, the last of them ", what, ": ", kNoTimeLeft,
                     in_file ? absl::StrCat(" (", kScaleJsonFile, " names them all)") : ""));
  }
  return text;
}

std::string CountsNote(const ScaleData& data) {
  const CountAgreement agreement = CompareWithFormulas(data);
  if (agreement.figures == 0) return "Nothing was measured.\n";
  const auto samples = static_cast<int64_t>(data.samples.size());
  return AgreementText(agreement, absl::StrCat(" of all ", FormatCount(samples), " samples"));
}

}  // namespace

CountAgreement CompareWithFormulas(const ScaleData& data) {
  CountAgreement agreement;
  for (const ScaleSample& sample : data.samples) {
    agreement.Compare(sample.macs, sample.formula_macs);
    agreement.Compare(sample.bytes, sample.formula_bytes);
    agreement.Compare(sample.softmax_pairs, sample.formula_softmax_pairs);
  }
  return agreement;
}

std::string ScaleNotes(const ScaleStudy& study, const std::string& folder) {
  std::string text =
      absl::StrCat(LeftOutNote(study.left_out, !folder.empty()), "\n", CountsNote(study.data));
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
