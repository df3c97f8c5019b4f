// Opens and reads sources of weights, with a test failure where that does not work.
#ifndef PLUMBLINE_TESTS_SUPPORT_TENSOR_SOURCES_H_
#define PLUMBLINE_TESTS_SUPPORT_TENSOR_SOURCES_H_

#include <memory>
#include <string>
#include <vector>

#include "engine/tensor_source.h"

namespace plumbline {

inline constexpr char kTinyLlama[] =
    "synthetic:llama-160m,layers=2,width=64,heads=4,kv_heads=2,ffn=96,vocab=300,context=64";

// Null where the model does not open.
std::unique_ptr<TensorSource> OpenSource(const std::string& model);

// All rows of a tensor.
std::vector<float> ReadTensor(const TensorSource& source, const TensorShape& shape);

}  // namespace plumbline

#endif  // PLUMBLINE_TESTS_SUPPORT_TENSOR_SOURCES_H_
