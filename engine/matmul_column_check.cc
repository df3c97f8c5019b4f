// Whether the library adds in the order of matmul_columns.h: another version may not.
#include <cstring>
#include <random>
#include <vector>

#include "engine/matmul_calls.h"
#include "engine/matmul_columns.h"
#include "engine/ops.h"
#include "engine/untouched_array.h"

namespace plumbline {
namespace {

constexpr int64_t kTriedRows = 3;

// Seeded numbers of the dtype.
std::vector<std::byte> Draw(WeightDtype dtype, int64_t count) {
  std::mt19937 random(static_cast<unsigned>(count));
  std::normal_distribution<float> normal;
  std::vector<float> values(static_cast<size_t>(count));
  for (float& value : values) value = normal(random);
  std::vector<std::byte> out(static_cast<size_t>(count * WeightDtypeBytes(dtype)));
  RoundRow(static_cast<int>(count), values.data(), dtype, out.data());
  return out;
}

bool AddsAsColumns(const dnnl::engine& engine, dnnl::stream& stream, const CallShape& shape) {
  const std::unique_ptr<CallSet> set = MakeCallSet(engine, shape, kTriedRows);
  if (!set->multiplies_columns()) return false;
  std::vector<std::byte> plain = Draw(shape.dtype, shape.outputs * shape.inputs);
  const std::vector<std::byte> x = Draw(shape.dtype, kTriedRows * shape.inputs);
  UntouchedArray<std::byte> room(static_cast<int64_t>(set->weights.get_size()));
  UntouchedArray<std::byte> scratch(static_cast<int64_t>(set->scratch_bytes));
  const dnnl::memory packed = PackRows(engine, stream, *set, plain.data(), room.get());
  std::vector<float> library(static_cast<size_t>(kTriedRows * shape.outputs));
  std::vector<float> columns(library.size());
  set->Execute(stream, packed, kTriedRows, x.data(), reinterpret_cast<std::byte*>(library.data()),
               scratch.get());
  MultiplyColumns({shape.dtype, shape.outputs, shape.inputs, 1, room.get(), kTriedRows, x.data(),
                   reinterpret_cast<std::byte*>(columns.data())});
  return std::memcmp(library.data(), columns.data(), library.size() * sizeof(float)) == 0;
}

}  // namespace

bool AddsAsColumns(const dnnl::engine& engine, dnnl::stream& stream, WeightDtype dtype) {
  for (const int64_t inputs : {1000, 2200}) {
    if (!AddsAsColumns(engine, stream, CallShape{kColumnOutputs, inputs, dtype})) return false;
  }
  return true;
}

}  // namespace plumbline
