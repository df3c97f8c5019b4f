// The reference model itself: small cases worked out by hand, and properties that any correct pass
// has.
#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/reference/forward_bound.h"
#include "tests/reference/reference_model.h"
#include "tests/support/map_source.h"

namespace plumbline::reference_test {
namespace {

using testing::HasSubstr;
using Logits = std::vector<std::vector<double>>;

// The hand cases are a few dozen operations on numbers of size 1 to 10.
constexpr double kHandTolerance = 100 * 10 * 0x1p-53;

ReferenceModel Load(const MapSource& source, const ReferenceOptions& options = {}) {
  absl::StatusOr<ReferenceModel> model = ReferenceModel::Load(source, options);
  EXPECT_TRUE(model.ok()) << model.status();
  return *std::move(model);
}

void Fill(MapSource& source, const std::string& name, std::vector<float> values) {
  std::vector<float>* tensor = source.Find(name);
  ASSERT_NE(tensor, nullptr) << name;
  ASSERT_EQ(tensor->size(), values.size()) << name;
  *tensor = std::move(values);
}

const std::vector<float> kOnes4 = {1, 1, 1, 1};
const std::vector<float> kIdentity4 = {1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1};

// One layer of width 4 and one head, epsilon 0, norms at 1, and a head that shows the normed
// state. Attention and feed-forward add nothing until a test fills them in.
MapSource TinyLlama(ModelConfig config) {
  config.architecture = "llama";
  config.layers = config.heads = config.kv_heads = 1;
  config.width = config.head_dim = config.vocab = 4;
  config.ffn = 2;
  config.context = 16;
  config.norm_epsilon = 0;
  MapSource source(config);
  for (const char* norm : {"blk.0.attn_norm", "blk.0.ffn_norm", "output_norm"}) {
    Fill(source, std::string(norm) + ".weight", kOnes4);
  }
  Fill(source, "output.weight", kIdentity4);
  // Rows of root mean square 1: the first norm leaves them as they are.
  Fill(source, "token_embd.weight", {2, 0, 0, 0, 0, 2, 0, 0, 1, 1, 1, 1, 0, 0, 0, 2});
  return source;
}

void ExpectNear(const std::vector<double>& actual, const std::vector<double>& expected) {
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t i = 0; i < actual.size(); ++i) {
    EXPECT_NEAR(actual[i], expected[i], kHandTolerance) << i;
  }
}

TEST(ReferenceByHandTest, RopeOfNeighboursAndCausalSoftmax) {
  ModelConfig config;
  config.position = PositionKind::kRopeNeighbours;
  config.rope_dims = 2;  // elements 2 and 3 are not turned
  MapSource source = TinyLlama(config);
  Fill(source, "blk.0.attn_q.weight", kIdentity4);
  Fill(source, "blk.0.attn_k.weight", kIdentity4);
  // v = (0, 0, x0, x1)
  Fill(source, "blk.0.attn_v.weight", {0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0});
  Fill(source, "blk.0.attn_output.weight", kIdentity4);
  const Logits logits = Load(source).Logits({0, 1});
  // Token 0 sees itself: (2, 0, 0, 0) + (0, 0, 2, 0), of root mean square sqrt(2).
  ExpectNear(logits[0], {std::sqrt(2), 0, std::sqrt(2), 0});
  // Token 1: q = k = (0, 2) turned by 1 = (-2 sin 1, 2 cos 1); the key of token 0 is (2, 0).
  const double weight0 = std::exp(-4 * std::sin(1) / 2);
  const double weight1 = std::exp(4.0 / 2);
  const double p0 = weight0 / (weight0 + weight1);
  const double p1 = weight1 / (weight0 + weight1);
  // (0, 2, 0, 0) + p0 (0, 0, 2, 0) + p1 (0, 0, 0, 2)
  const double rms = std::sqrt((4 + 4 * p0 * p0 + 4 * p1 * p1) / 4);
  ExpectNear(logits[1], {0, 2 / rms, 2 * p0 / rms, 2 * p1 / rms});
}

TEST(ReferenceByHandTest, RopeOfHalvesWithLinearScale) {
  ModelConfig config;
  config.position = PositionKind::kRopeHalves;
  config.rope_dims = 4;
  config.rope_base = 100;  // the pair (1, 3) turns by 100^(-2/4) = 0.1 per position
  config.rope_scale = 0.5;
  MapSource source = TinyLlama(config);
  Fill(source, "blk.0.attn_q.weight", kIdentity4);
  // k = (0, x0, 0, 0), v = (0, 0, 0, x0): token 1 has neither.
  Fill(source, "blk.0.attn_k.weight", {0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0});
  Fill(source, "blk.0.attn_v.weight", {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0});
  Fill(source, "blk.0.attn_output.weight", kIdentity4);
  const Logits logits = Load(source).Logits({0, 1});
  // q of token 1: (0, 2 cos 0.05, 0, 2 sin 0.05); key of token 0, not turned: (0, 2, 0, 0).
  const double weight0 = std::exp(4 * std::cos(0.05) / 2);
  const double p0 = weight0 / (weight0 + 1);
  const double rms = std::sqrt((4 + 4 * p0 * p0) / 4);
  ExpectNear(logits[1], {0, 2 / rms, 0, 2 * p0 / rms});
}

TEST(ReferenceByHandTest, SwiGluBiasesAndEpsilon) {
  ModelConfig config;
  config.rope_dims = 4;
  config.qkv_bias = true;
  MapSource source = TinyLlama(config);
  source.mutable_config()->norm_epsilon = 3;  // (2, 0, 0, 0) / sqrt(1 + 3) = (1, 0, 0, 0)
  // v = (0, 0, 0, 5) from the bias alone; output takes half of it.
  Fill(source, "blk.0.attn_v.bias", {0, 0, 0, 5});
  Fill(source, "blk.0.attn_output.weight", {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0.5});
  Fill(source, "blk.0.ffn_gate.weight", {1, 0, 0, 0, -2, 0, 0, 0});
  Fill(source, "blk.0.ffn_up.weight", {3, 0, 0, 0, 0, 0, 0, 4});
  Fill(source, "blk.0.ffn_down.weight", {0, 0, 1, 0, 0, 1, 0, 0});
  const Logits logits = Load(source).Logits({0});
  // After attention: (2, 0, 0, 2.5), mean square (4 + 6.25) / 4.
  const double scale = 1 / std::sqrt((4 + 6.25) / 4 + 3);
  const double gate0 = 2 * scale;
  const double gate1 = -4 * scale;
  const double inner0 = gate0 / (1 + std::exp(-gate0)) * 6 * scale;
  const double inner1 = gate1 / (1 + std::exp(-gate1)) * 10 * scale;
  // down puts inner0 in element 1 and inner1 in element 2.
  const double rms = std::sqrt((4 + inner0 * inner0 + inner1 * inner1 + 6.25) / 4 + 3);
  ExpectNear(logits[0], {2 / rms, inner0 / rms, inner1 / rms, 2.5 / rms});
}

TEST(ReferenceByHandTest, Gpt2WithFusedQkvAndTiedHead) {
  ModelConfig config = SmallGpt2(2, 2);
  config.layers = 1;
  config.width = 4;
  config.head_dim = 2;
  config.vocab = 2;
  config.ffn = 1;
  config.context = 2;
  config.norm_epsilon = 0;
  MapSource source(config);
  Fill(source, "token_embd.weight", {1, 0, 0, 0, 0, 0, 1, 0});
  Fill(source, "position_embd.weight", {0, -1, 1, -1, 9, 9, 9, 9});
  Fill(source, "blk.0.attn_norm.weight", {1, 2, 1, 1});
  Fill(source, "blk.0.attn_norm.bias", {0, 0, 0.5, 0});
  // Rows 0 to 3 are Q, 4 to 7 K, 8 to 11 V; v = (0, x1, x2, 0) + (0.25, 0, 0, 0).
  std::vector<float> qkv(48);
  qkv[9 * 4 + 1] = 1;
  qkv[10 * 4 + 2] = 1;
  Fill(source, "blk.0.attn_qkv.weight", qkv);
  std::vector<float> qkv_bias(12);
  qkv_bias[8] = 0.25;
  Fill(source, "blk.0.attn_qkv.bias", qkv_bias);
  Fill(source, "blk.0.attn_output.weight", kIdentity4);
  Fill(source, "blk.0.attn_output.bias", {0.75, 0, 0, 0});
  // The norm's weight is 0: the feed-forward sees (1, 0, 0, 0).
  Fill(source, "blk.0.ffn_norm.bias", {1, 0, 0, 0});
  Fill(source, "blk.0.ffn_up.weight", {1, 0, 0, 0});
  Fill(source, "blk.0.ffn_up.bias", {0.5});
  Fill(source, "blk.0.ffn_down.weight", {0, 0, 0, 1});
  Fill(source, "blk.0.ffn_down.bias", {0, 0, 0, 2});
  Fill(source, "output_norm.weight", kOnes4);
  Fill(source, "output_norm.bias", {0, 0, 7, 0});
  const Logits logits = Load(source).Logits({0});
  // x = (1, -1, 1, -1), its own norm; normed (1, -2, 1.5, -1); v = (0.25, -2, 1.5, 0).
  const double pi = std::acos(-1.0);
  const double gelu =
      0.5 * 1.5 * (1 + std::tanh(std::sqrt(2 / pi) * (1.5 + 0.044715 * 1.5 * 1.5 * 1.5)));
  const std::vector<double> x = {1 + 0.25 + 0.75, -1 - 2, 1 + 1.5, -1 + gelu + 2};
  const double mean = (x[0] + x[1] + x[2] + x[3]) / 4;
  double variance = 0;
  for (double value : x) variance += (value - mean) * (value - mean) / 4;
  ExpectNear(logits[0],
             {(x[0] - mean) / std::sqrt(variance), (x[2] - mean) / std::sqrt(variance) + 7});
}

std::vector<int32_t> Tokens(int count) {
  std::vector<int32_t> tokens;
  tokens.reserve(count);
  for (int i = 0; i < count; ++i) tokens.push_back((i * 41 + 3) % 96);
  return tokens;
}

// Two runs that agree but for double's own roundings: each may be off by one bound.
constexpr Precision kDouble = {0x1p-53, 0, 0};

TEST(ReferencePropertyTest, ScoresDependOnDistanceAlone) {
  for (const PositionKind kind : {PositionKind::kRopeNeighbours, PositionKind::kRopeHalves}) {
    ModelConfig config = SmallLlama(4, 2);
    config.position = kind;
    config.rope_dims = 6;
    const ReferenceModel model = Load(MapSource::Random(config, 1));
    const ForwardBound bound = BoundForward(model, Tokens(12), {kDouble});
    Rounder exact = Rounder::Exact();
    EXPECT_LE(bound.WorstRatio(model.RoundedLogits(Tokens(12), exact, {5, 5, 0})), 2.0);
    EXPECT_GT(bound.WorstRatio(model.RoundedLogits(Tokens(12), exact, {5, 4, 0})), 2.0);
  }
}

TEST(ReferencePropertyTest, SharedKvHeadsEqualCopiedOnes) {
  MapSource shared = MapSource::Random(SmallLlama(4, 2), 2);
  MapSource copied = shared;
  copied.mutable_config()->kv_heads = 4;
  for (const char* name : {"blk.0.attn_k", "blk.0.attn_v", "blk.1.attn_k", "blk.1.attn_v"}) {
    const std::string tensor = std::string(name) + ".weight";
    const std::vector<float>& two = *shared.Find(tensor);
    const auto head = static_cast<int64_t>(two.size() / 2);
    std::vector<float> four;
    for (const int kv_head : {0, 0, 1, 1}) {
      four.insert(four.end(), two.begin() + kv_head * head, two.begin() + (kv_head + 1) * head);
    }
    copied.Set({tensor, 32, 32}, four);
  }
  EXPECT_EQ(Load(shared).Logits(Tokens(9)), Load(copied).Logits(Tokens(9)));
}

TEST(ReferencePropertyTest, LaterTokensChangeNoEarlierLogits) {
  for (const ModelConfig& config : {SmallLlama(4, 1), SmallGpt2(4, 4)}) {
    const ReferenceModel model = Load(MapSource::Random(config, 3));
    const Logits longer = model.Logits(Tokens(10));
    for (int count = 1; count < 10; ++count) {
      const Logits shorter = model.Logits(Tokens(count));
      ASSERT_EQ(shorter.size(), static_cast<size_t>(count));
      EXPECT_EQ(shorter.back(), longer[static_cast<size_t>(count) - 1]);
    }
    EXPECT_NE(longer[4], longer[5]);
  }
}

TEST(ReferencePropertyTest, NormsTakeTheSizeOfTheStateAway) {
  ModelConfig config = SmallLlama(2, 2);
  config.norm_epsilon = 0;
  MapSource source = MapSource::Random(config, 4);
  MapSource larger = source;
  for (const char* name : {"token_embd.weight", "blk.0.attn_output.weight", "blk.0.ffn_down.weight",
                           "blk.1.attn_output.weight", "blk.1.ffn_down.weight"}) {
    for (float& value : *larger.Find(name)) value *= 4;  // exact
  }
  EXPECT_EQ(Load(source).Logits(Tokens(6)), Load(larger).Logits(Tokens(6)));
}

TEST(ReferenceLoadTest, NamesTheTensorThatIsMissingOrMisshapen) {
  MapSource source = MapSource::Random(SmallLlama(2, 1), 6);
  MapSource missing = source;
  missing.Erase("blk.1.ffn_up.weight");
  EXPECT_EQ(ReferenceModel::Load(missing).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(ReferenceModel::Load(missing).status().message(), HasSubstr("blk.1.ffn_up.weight"));
  source.Set({"output_norm.weight", 1, 3}, {1, 1, 1});
  EXPECT_THAT(ReferenceModel::Load(source).status().message(), HasSubstr("output_norm.weight"));
}

TEST(ReferenceLoadTest, RoundsMatricesButNotNormsToBf16) {
  MapSource source = MapSource::Random(SmallLlama(2, 1), 7);
  const Logits logits = Load(source).Logits(Tokens(3));
  EXPECT_EQ(Load(source, {true}).Logits(Tokens(3)), logits);
  source.Find("output.weight")->front() *= 1 + 0x1p-10F;  // less than half a step of bf16
  EXPECT_NE(Load(source).Logits(Tokens(3)), logits);
  EXPECT_EQ(Load(source, {true}).Logits(Tokens(3)), logits);
  source.Find("output_norm.weight")->front() *= 1 + 0x1p-10F;
  EXPECT_NE(Load(source, {true}).Logits(Tokens(3)), logits);
}

}  // namespace
}  // namespace plumbline::reference_test
