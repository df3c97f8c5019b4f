// How a model's tensors are asked for.
#include "engine/weights.h"

#include <mutex>
#include <set>
#include <string>

#include "gtest/gtest.h"

namespace plumbline::weights_test {
namespace {

// Notes what is fetched and read.
class WatchedSource final : public ForwardingSource {
 public:
  using ForwardingSource::ForwardingSource;
  absl::Status ReadRows(const TensorShape& shape, int64_t row, int64_t num_rows,
                        float* out) const override {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      read_.insert(shape.name);
      EXPECT_TRUE(fetched_.contains(shape.name)) << shape.name;
    }
    return ForwardingSource::ReadRows(shape, row, num_rows, out);
  }
  void Fetch(absl::string_view name) const override {
    const std::lock_guard<std::mutex> lock(mutex_);
    EXPECT_TRUE(fetched_.insert(std::string(name)).second) << name << " is fetched again";
    ForwardingSource::Fetch(name);
  }
  const std::set<std::string>& read() const { return read_; }
  const std::set<std::string>& fetched() const { return fetched_; }

 private:
  mutable std::mutex mutex_;
  mutable std::set<std::string> read_;
  mutable std::set<std::string> fetched_;
};

TEST(LoadWeightsTest, FetchesEveryTensorOnceBeforeItIsRead) {
  const auto source = OpenModel("synthetic:llama-160m,layers=3,width=96,heads=3,ffn=80,vocab=300");
  ASSERT_TRUE(source.ok()) << source.status();
  for (const int threads : {1, 3}) {
    const auto context = MatmulContext::Create(threads);
    ASSERT_TRUE(context.ok()) << context.status();
    const WatchedSource watched(**source);
    const auto weights = LoadWeights(watched, WeightDtype::kF32, **context);
    ASSERT_TRUE(weights.ok()) << weights.status();
    EXPECT_EQ(watched.read(), watched.fetched());
    EXPECT_EQ(watched.read().size(), ExpectedTensors((*source)->config()).size());
  }
}

}  // namespace
}  // namespace plumbline::weights_test
