// What `synthetic:NAME[,key=value...]` stands for.
#ifndef PLUMBLINE_ENGINE_SYNTHETIC_SPEC_H_
#define PLUMBLINE_ENGINE_SYNTHETIC_SPEC_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "engine/model_config.h"

namespace plumbline {

inline constexpr absl::string_view kSyntheticPrefix = "synthetic:";

struct SyntheticSpec {
  ModelConfig config;
  uint64_t seed = 0;
};

// The config is valid and has a vocabulary of at least 256. InvalidArgument names the bad word and
// lists the good ones, or names the size that does not fit. Safe from any thread.
absl::StatusOr<SyntheticSpec> ParseSyntheticName(absl::string_view model);

}  // namespace plumbline

#endif  // PLUMBLINE_ENGINE_SYNTHETIC_SPEC_H_
