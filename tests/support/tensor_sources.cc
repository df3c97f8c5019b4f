#include "tests/support/tensor_sources.h"

#include <cstddef>
#include <utility>

#include "absl/status/status.h"
#include "gtest/gtest.h"

namespace plumbline {

std::unique_ptr<TensorSource> OpenSource(const std::string& model) {
  auto source = OpenModel(model);
  EXPECT_TRUE(source.ok()) << source.status();
  return source.ok() ? *std::move(source) : nullptr;
}

std::vector<float> ReadTensor(const TensorSource& source, const TensorShape& shape) {
  std::vector<float> values(static_cast<size_t>(shape.rows * shape.row_elements));
  const absl::Status status = source.ReadRows(shape, 0, shape.rows, values.data());
  EXPECT_TRUE(status.ok()) << status;
  return values;
}

}  // namespace plumbline
