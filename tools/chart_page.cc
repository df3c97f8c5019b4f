#include "tools/chart_page.h"

#include "absl/strings/str_cat.h"

namespace plumbline {

std::string JoinedSentences(absl::string_view first, absl::string_view second) {
  return absl::StrCat(first, first.empty() || second.empty() ? "" : " ", second);
}

void ChartPage::AddChart(const Chart& chart, absl::string_view caption) {
  if (!status_.ok()) return;
  const absl::StatusOr<Picture> picture =
      DrawChart(chart, absl::StrCat("picture", ++pictures_), options_);
  if (!picture.ok()) {
    status_ = picture.status();
    return;
  }
  std::string omitted;
  if (picture->omitted > 0) {
    omitted = absl::StrCat("Not shown: ", picture->omitted,
                           picture->omitted == 1 ? " value that has" : " values that have",
                           " no place on these axes.");
  }
  AddPicture(picture->svg, JoinedSentences(caption, omitted));
}

absl::StatusOr<std::string> ChartPage::Finish() const {
  if (!status_.ok()) return status_;
  return ToString();
}

}  // namespace plumbline
