#include "tools/toy_path.h"

#include <filesystem>
#include <system_error>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace plumbline {

std::vector<std::string> ToyModelPlaces(const std::string& executable) {
  std::vector<std::string> places;
  if (!executable.empty()) {
    const std::filesystem::path prefix =
        std::filesystem::path(executable).parent_path().parent_path();
    places.push_back((prefix / PLUMBLINE_INSTALLED_TOY).string());
  }
  places.emplace_back(PLUMBLINE_SOURCE_TOY);
  return places;
}

absl::StatusOr<std::string> FindToyModel() {
  std::error_code error;
  const std::filesystem::path executable = std::filesystem::read_symlink("/proc/self/exe", error);
  const std::vector<std::string> places = ToyModelPlaces(error ? "" : executable.string());
  for (const std::string& place : places) {
    if (std::filesystem::is_regular_file(place, error)) return place;
  }
  return absl::NotFoundError(absl::StrCat(
      "the toy model is at none of ", absl::StrJoin(places, ", "), "; name a model with -m MODEL"));
}

absl::StatusOr<std::string> ModelOrToy(const std::string& model) {
  if (!model.empty()) return model;
  return FindToyModel();
}

absl::StatusOr<NamedSource> OpenModelOrToy(const std::string& model) {
  absl::StatusOr<std::string> name = ModelOrToy(model);
  if (!name.ok()) return name.status();
  auto source = OpenModel(*name);
  if (!source.ok()) return source.status();
  return NamedSource{*std::move(name), *std::move(source)};
}

}  // namespace plumbline
