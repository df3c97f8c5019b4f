// What a model refuses, in one sentence and without harm: bad batches, wrong caches, broken
// tensors, options out of range.
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "engine/model.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/forward_harness.h"
#include "tests/support/map_source.h"

namespace plumbline::forward_check_test {
namespace {

using testing::HasSubstr;

ModelOptions SmallOptions() {
  ModelOptions options;
  options.block_tokens = 4;
  options.max_step_tokens = 16;
  options.max_step_spans = 3;
  options.max_logit_rows = 4;
  return options;
}

class ForwardCheckTest : public testing::Test {
 protected:
  ForwardCheckTest() {
    ModelConfig config = SmallLlama(4, 2);
    config.context = 32;
    auto model = Model::Load(MapSource::Random(config, 3), SmallOptions());
    EXPECT_TRUE(model.ok()) << model.status();
    model_ = *std::move(model);
    store_ = MakePoisonedStore(*model_, 8);
  }

  // A prompt of four tokens.
  StepBatch GoodBatch() const {
    StepBatch batch;
    batch.AddSpan({1, 2, 3, 4}, 0, 1, {5});
    return batch;
  }
  std::vector<float> GoodLogits() {
    StepWork work;
    const auto logits = model_->Forward(GoodBatch(), *store_, &work);
    EXPECT_TRUE(logits.ok()) << logits.status();
    if (!logits.ok()) return {};
    return {logits->begin(), logits->end()};
  }
  // InvalidArgument that says `needle`; the model gives what it gave before.
  void ExpectRefused(const StepBatch& batch, KvStore& store, const std::string& needle) {
    const std::vector<float> before = GoodLogits();
    StepWork work;
    const absl::Status status = model_->Forward(batch, store, &work).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << needle;
    EXPECT_THAT(status.message(), HasSubstr(needle));
    EXPECT_EQ(GoodLogits(), before) << needle;
  }

  std::unique_ptr<Model> model_;
  std::unique_ptr<KvStore> store_;
};

TEST_F(ForwardCheckTest, RefusesTokensOutsideTheVocabulary) {
  for (const int32_t token : {-1, 96, INT32_MAX, INT32_MIN}) {
    StepBatch batch = GoodBatch();
    batch.token_ids[2] = token;
    ExpectRefused(batch, *store_, "token " + std::to_string(token));
  }
}

TEST_F(ForwardCheckTest, RefusesPositionsOutsideTheContext) {
  const std::vector<BlockId> table = {0, 1, 2, 3, 4, 5, 6, 7};
  for (const int first : {30, 32, -1, INT32_MAX}) {
    StepBatch batch;
    batch.AddSpan({1}, 0, 1, table);
    batch.spans[0].first_position = first;
    batch.spans[0].count = 1;
    batch.positions[0] = first;
    if (first == 30) {
      batch = {};
      batch.AddSpan({1, 2, 3}, first, 1, table);
    }
    ExpectRefused(batch, *store_, "context");
  }
}

TEST_F(ForwardCheckTest, RefusesShortTablesAndBlocksThatAreNotThere) {
  StepBatch batch;
  batch.AddSpan({1, 2, 3, 4, 5}, 0, 1, {3});
  ExpectRefused(batch, *store_, "does not hold 5 tokens");
  batch = GoodBatch();
  batch.block_ids[0] = 8;
  ExpectRefused(batch, *store_, "block 8");
  batch.block_ids[0] = -1;
  ExpectRefused(batch, *store_, "block -1");
  batch = GoodBatch();
  batch.spans[0].table = 1;
  ExpectRefused(batch, *store_, "table");
  batch = GoodBatch();
  batch.spans[0].blocks = 2;
  ExpectRefused(batch, *store_, "table");
}

TEST_F(ForwardCheckTest, RefusesBatchesLargerThanItsOptions) {
  const std::vector<BlockId> table = {0, 1, 2, 3, 4, 5, 6, 7};
  StepBatch batch;
  ExpectRefused(batch, *store_, "outside 1 to 16");
  batch.AddSpan(std::vector<int32_t>(17, 1), 0, 1, table);
  ExpectRefused(batch, *store_, "17 tokens");
  batch = {};
  batch.AddSpan({1, 2, 3, 4, 5}, 0, 5, table);
  ExpectRefused(batch, *store_, "5 rows of logits");
  batch = {};
  for (BlockId block = 0; block < 4; ++block) batch.AddSpan({1}, 0, 1, {block});
  ExpectRefused(batch, *store_, "4 spans");
}

TEST_F(ForwardCheckTest, RefusesArraysThatDoNotFitEachOther) {
  StepBatch batch = GoodBatch();
  batch.spans[0].logit_rows = 5;
  ExpectRefused(batch, *store_, "rows of logits");
  batch = GoodBatch();
  batch.positions[3] = 2;
  ExpectRefused(batch, *store_, "positions");
  batch = GoodBatch();
  batch.positions.pop_back();
  ExpectRefused(batch, *store_, "positions");
  batch = GoodBatch();
  batch.spans[0].count = 3;  // the last token belongs to no span
  ExpectRefused(batch, *store_, "rows");
  batch = GoodBatch();
  batch.spans[0].count = 5;
  ExpectRefused(batch, *store_, "rows");
  batch = GoodBatch();
  batch.num_logit_rows = 2;
  ExpectRefused(batch, *store_, "rows");
}

TEST_F(ForwardCheckTest, RefusesACacheOfAnotherShape) {
  const KvGeometry own = model_->config().CacheGeometry(KvDtype::kF32, 4);
  const std::vector<std::function<void(KvGeometry&)>> changes = {
      [](KvGeometry& g) { g.block_tokens = 8; },
      [](KvGeometry& g) { g.groups[0].dtype = KvDtype::kBf16; },
      [](KvGeometry& g) { g.groups[0].kv_heads = 1; },
      [](KvGeometry& g) { g.groups[0].key_width = 16; },
      [](KvGeometry& g) { g.groups.push_back(g.groups[0]); },
      // As many bytes for a token, but fewer layers.
      [](KvGeometry& g) {
        g.groups[0].layers = 1;
        g.groups[0].kv_heads *= 2;
      }};
  for (const auto& change : changes) {
    KvGeometry geometry = own;
    change(geometry);
    const auto store = KvStore::Create(geometry, 8);
    ASSERT_TRUE(store.ok()) << store.status();
    ExpectRefused(GoodBatch(), **store, "cache was not made for this model");
  }
}

TEST(ModelLoadTest, NamesTensorsThatAreMissingOrMisshapen) {
  const MapSource good = MapSource::Random(SmallLlama(4, 2), 3);
  ASSERT_TRUE(Model::Load(good, SmallOptions()).ok());
  for (const TensorShape& shape : good.Shapes()) {
    MapSource missing = good;
    missing.Erase(shape.name);
    MapSource misshapen = good;
    misshapen.Set(
        {shape.name, shape.rows, shape.row_elements + 1},
        std::vector<float>(static_cast<size_t>(shape.rows * (shape.row_elements + 1)), 1.0F));
    for (const MapSource* source : {&missing, &misshapen}) {
      const absl::Status status = Model::Load(*source, SmallOptions()).status();
      EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << shape.name;
      EXPECT_THAT(status.message(), HasSubstr(shape.name));
    }
  }
}

TEST(ModelLoadTest, RefusesOptionsOutOfRange) {
  const MapSource source = MapSource::Random(SmallLlama(4, 2), 3);
  const std::vector<std::pair<std::string, std::function<void(ModelOptions&, int)>>> fields = {
      {"threads", [](ModelOptions& o, int value) { o.threads = value; }},
      {"tokens", [](ModelOptions& o, int value) { o.max_step_tokens = value; }},
      {"spans", [](ModelOptions& o, int value) { o.max_step_spans = value; }},
      {"logit rows", [](ModelOptions& o, int value) { o.max_logit_rows = value; }},
      {"block_tokens", [](ModelOptions& o, int value) { o.block_tokens = value; }}};
  for (const auto& [name, set] : fields) {
    for (const int value : {0, -1, INT32_MIN}) {
      ModelOptions options = SmallOptions();
      set(options, value);
      const absl::Status status = Model::Load(source, options).status();
      EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << name << value;
      EXPECT_THAT(status.message(), HasSubstr(name));
    }
  }
  for (size_t i = 0; i + 1 < fields.size(); ++i) {
    ModelOptions options = SmallOptions();
    fields[i].second(options, INT32_MAX);
    EXPECT_EQ(Model::Load(source, options).status().code(), absl::StatusCode::kInvalidArgument)
        << fields[i].first;
  }
}

TEST(ModelLoadTest, RefusesAConfigThatDoesNotFitItself) {
  MapSource source = MapSource::Random(SmallLlama(4, 2), 3);
  source.mutable_config()->kv_heads = 3;
  EXPECT_EQ(Model::Load(source, SmallOptions()).status().code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace plumbline::forward_check_test
