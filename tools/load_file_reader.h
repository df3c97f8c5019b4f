// Takes values out of a load test's file. Every value is looked at before it is used: a file may
// hold anything.
#ifndef PLUMBLINE_TOOLS_LOAD_FILE_READER_H_
#define PLUMBLINE_TOOLS_LOAD_FILE_READER_H_

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <variant>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"
#include "tools/load_fields.h"

namespace plumbline {

// Keeps the first fault. One thread.
class LoadFileReader {
 public:
  using Json = nlohmann::ordered_json;

  const absl::Status& status() const { return status_; }

  void Fail(absl::string_view what) {
    if (status_.ok()) {
      status_ = absl::DataLossError(
          absl::StrCat("this is no file of a load test: ", what, "; write one with load --json"));
    }
  }
  // An empty value where there is none.
  const Json& At(const Json& json, const char* key) {
    static const Json none;
    const auto found = json.find(key);
    if (json.is_object() && found != json.end()) return *found;
    Fail(absl::StrCat("\"", key, "\" is missing"));
    return none;
  }
  void Number(const Json& json, const char* key, double* value) {
    if (!json.is_number()) return Fail(absl::StrCat("\"", key, "\" is no number"));
    *value = json.get<double>();
    if (!(std::abs(*value) <= kLargestNumber)) {
      Fail(absl::StrCat("\"", key, "\" is larger than any run has it"));
    }
  }
  void Number(const Json& json, const char* key, int64_t* value) {
    constexpr auto kMost = static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
    if (!json.is_number_integer() || (json.is_number_unsigned() && json.get<uint64_t>() > kMost)) {
      return Fail(absl::StrCat("\"", key, "\" is no whole number"));
    }
    *value = json.get<int64_t>();
    if (*value < -kLargestCount || *value > kLargestCount) {
      Fail(absl::StrCat("\"", key, "\" is larger than any run has it"));
    }
  }
  void Number(const Json& json, const char* key, uint64_t* value) {
    if (!json.is_number_unsigned()) return Fail(absl::StrCat("\"", key, "\" is no whole number"));
    *value = json.get<uint64_t>();
  }
  void Text(const Json& json, const char* key, std::string* value) {
    if (!json.is_string()) return Fail(absl::StrCat("\"", key, "\" is no text"));
    *value = json.get<std::string>();
  }
  const Json& Array(const Json& json, const char* key) {
    const Json& value = At(json, key);
    static const Json none = Json::array();
    if (value.is_array()) return value;
    Fail(absl::StrCat("\"", key, "\" is no list"));
    return none;
  }
  template <class Record>
  void Field(const Json& json, const LoadField<Record>& field, Record* record) {
    std::visit([&](auto member) { Number(json, field.name, &(record->*member)); }, field.member);
  }

  // Whether it is a list of `size` entries.
  bool IsRow(const Json& json, size_t size, const char* name) {
    if (json.is_array() && json.size() == size) return true;
    Fail(absl::StrCat("an entry of \"", name, "\" is no list of ", size));
    return false;
  }

 private:
  // Sums and differences of so large numbers stay finite, and sums of counts within 64 bits.
  static constexpr double kLargestNumber = 1e30;
  static constexpr int64_t kLargestCount = int64_t{1} << 38;

  absl::Status status_;
};

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_LOAD_FILE_READER_H_
