// Where the model that runs without -m lies.
#ifndef PLUMBLINE_TOOLS_TOY_PATH_H_
#define PLUMBLINE_TOOLS_TOY_PATH_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/tensor_source.h"

namespace plumbline {

// Places to look, in order: what was installed beside `executable` (bin/plumbline), then the
// source tree this binary was built from.
std::vector<std::string> ToyModelPlaces(const std::string& executable);

// The toy model of the running program. NotFound lists the places.
absl::StatusOr<std::string> FindToyModel();

// `model`, or the toy model where it is empty.
absl::StatusOr<std::string> ModelOrToy(const std::string& model);

// That model, opened.
struct NamedSource {
  std::string model;  // as OpenModel took it
  std::unique_ptr<TensorSource> source;
};
// Errors of ModelOrToy and OpenModel.
absl::StatusOr<NamedSource> OpenModelOrToy(const std::string& model);

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_TOY_PATH_H_
