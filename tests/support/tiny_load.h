// The model of the load tests that run or simulate one.
#ifndef PLUMBLINE_TESTS_SUPPORT_TINY_LOAD_H_
#define PLUMBLINE_TESTS_SUPPORT_TINY_LOAD_H_

#include "tools/load.h"

namespace plumbline {

inline constexpr const char* kTinyLoadModel =
    "synthetic:llama-160m,layers=1,width=64,heads=1,kv_heads=1,ffn=64,vocab=300,context=256";

// That model in f32, on one thread.
inline LoadOptions TinyModelLoad() {
  LoadOptions options;
  options.model = kTinyLoadModel;
  options.weights = "f32";
  options.threads = 1;
  return options;
}

}  // namespace plumbline

#endif  // PLUMBLINE_TESTS_SUPPORT_TINY_LOAD_H_
