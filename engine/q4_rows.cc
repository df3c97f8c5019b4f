#include "engine/q4_rows.h"

namespace plumbline {

Q4Matrix::Q4Matrix(int64_t outputs, int64_t inputs, WeightMemory& memory)
    : outputs_(outputs),
      inputs_(inputs),
      nibbles_(memory.Take(Q4Tiles(outputs) * Q4Blocks(inputs) * kQ4TileBlockBytes)),
      scales_(memory.Take(Q4Tiles(outputs) * Q4Blocks(inputs) * kQ4TileOutputs)) {
  nibbles_.Touch();
  scales_.Touch();
}

void Q4Matrix::SetRow(int64_t output, const Q4Row& row) {
  const int64_t blocks = Q4Blocks(inputs_);
  const int64_t tile = output / kQ4TileOutputs;
  const int64_t lane = output % kQ4TileOutputs;
  std::byte* to = nibbles_.get() + tile * blocks * kQ4TileBlockBytes + lane * 4;
  const int8_t* q = row.values.data();
  for (int64_t b = 0; b < blocks; ++b) {
    scales_[(tile * blocks + b) * kQ4TileOutputs + lane] =
        static_cast<std::byte>(row.scales[static_cast<size_t>(b)]);
    for (int i = 0; i < kQ4BlockBytes; ++i) {
      const auto low = static_cast<uint8_t>(q[i]);
      const auto high = static_cast<uint8_t>(q[kQ4BlockBytes + i]);
      to[i / 4 * kQ4TileOutputs * 4 + i % 4] = static_cast<std::byte>((low & 0xF) | (high << 4));
    }
    to += kQ4TileBlockBytes;
    q += kQ4BlockInputs;
  }
}

void UnpackQ4Row(const Q4Matrix& w, int64_t output, std::byte* out) {
  const std::byte* const nibbles = w.nibbles(output / kQ4TileOutputs);
  const int8_t* const scales = w.scales(output / kQ4TileOutputs);
  const int64_t lane = output % kQ4TileOutputs;
  for (int64_t i = 0; i < w.inputs(); ++i) {
    const int64_t block = i / kQ4BlockInputs;
    const int64_t within = i % kQ4BlockBytes;
    const std::byte pair = nibbles[block * kQ4TileBlockBytes + within / 4 * kQ4TileOutputs * 4 +
                                   lane * 4 + within % 4];
    const int bits = std::to_integer<int>(pair) >> (i / kQ4BlockBytes % 2 * 4) & 0xF;
    out[i] = static_cast<std::byte>(((bits ^ 8) - 8) * scales[block * kQ4TileOutputs + lane]);
  }
}

}  // namespace plumbline
