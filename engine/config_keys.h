// Typed look-ups of one architecture's keys in a GGUF file. Part of ConfigFromGguf.
#ifndef PLUMBLINE_ENGINE_CONFIG_KEYS_H_
#define PLUMBLINE_ENGINE_CONFIG_KEYS_H_

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "engine/gguf.h"

namespace plumbline {

// Looks up `ARCHITECTURE.suffix`, and remembers the first thing that is wrong, so that the callers
// read as a list of fields. After a failure every look-up gives its fallback or 0. Not thread-safe;
// keeps a reference to the file.
class KeyReader {
 public:
  KeyReader(const GgufFile& file, std::string architecture)
      : file_(file), architecture_(std::move(architecture)) {}

  const absl::Status& status() const { return status_; }
  std::string Key(absl::string_view suffix) const {
    return absl::StrCat(architecture_, ".", suffix);
  }
  bool Has(absl::string_view suffix) const { return file_.Has(Key(suffix)); }
  void Fail(absl::string_view message) {
    if (status_.ok()) {
      status_ = absl::InvalidArgumentError(absl::StrCat(file_.name(), ": ", message));
    }
  }

  void Fail(const absl::Status& status) {
    if (status_.ok()) status_ = status;
  }

  int Int(absl::string_view suffix) {
    const std::string key = Key(suffix);
    if (!Require(key)) return 0;
    return Narrow(key, file_.GetInt(key));
  }

  // One number for all layers, or a list of one number per layer, all equal.
  int PerLayerInt(absl::string_view suffix, int layers) {
    const std::string key = Key(suffix);
    if (!Require(key)) return 0;
    const absl::StatusOr<int64_t> single = file_.GetInt(key);
    if (single.ok()) return Narrow(key, single);
    const absl::StatusOr<std::vector<int64_t>> list = file_.GetInts(key);
    if (!list.ok()) return Narrow(key, single);
    if (list->size() != static_cast<size_t>(layers)) {
      Fail(absl::StrCat("key ", key, " lists ", list->size(), " layers but the model has ", layers,
                        ": list one entry per layer"));
      return 0;
    }
    for (const int64_t value : *list) {
      if (value != list->front()) {
        Fail(absl::StrCat("key ", key, " differs between layers (", list->front(), " and ", value,
                          ") but this engine needs equal layers: use a model with equal layers"));
        return 0;
      }
    }
    return Narrow(key, list->front());
  }

  double Float(absl::string_view suffix) {
    const std::string key = Key(suffix);
    return Require(key) ? Keep(file_.GetFloat(key), 0.0) : 0.0;
  }
  double FloatOr(absl::string_view suffix, double fallback) {
    const std::string key = Key(suffix);
    return file_.Has(key) ? Keep(file_.GetFloat(key), fallback) : fallback;
  }
  std::string StringOr(absl::string_view suffix, absl::string_view fallback) {
    const std::string key = Key(suffix);
    return std::string(file_.Has(key) ? Keep(file_.GetString(key), fallback) : fallback);
  }

  // A number of any type, or a truth value as 0 or 1; none where the key is of another type.
  std::optional<double> Number(absl::string_view suffix) const {
    const std::string key = Key(suffix);
    if (const auto value = file_.GetFloat(key); value.ok()) return *value;
    if (const auto value = file_.GetInt(key); value.ok()) return static_cast<double>(*value);
    if (const auto value = file_.GetBool(key); value.ok()) return *value ? 1.0 : 0.0;
    return std::nullopt;
  }

 private:
  bool Require(const std::string& key) {
    if (file_.Has(key)) return true;
    Fail(absl::StrCat("key ", key, " is missing but the architecture ", architecture_,
                      " needs it: convert the model again"));
    return false;
  }

  template <typename T>
  T Keep(const absl::StatusOr<T>& value, T fallback) {
    if (value.ok()) return *value;
    Fail(value.status());
    return fallback;
  }

  int Narrow(const std::string& key, const absl::StatusOr<int64_t>& value) {
    const auto wide = Keep<int64_t>(value, 1);
    if (wide < 1 || wide > std::numeric_limits<int>::max()) {
      Fail(absl::StrCat("key ", key, " is ", wide, " but must be from 1 to ",
                        std::numeric_limits<int>::max(), ": the file is damaged or unsupported"));
      return 0;
    }
    return static_cast<int>(wide);
  }

  const GgufFile& file_;
  std::string architecture_;
  absl::Status status_;
};

}  // namespace plumbline

#endif  // PLUMBLINE_ENGINE_CONFIG_KEYS_H_
