// How a model's tensors are asked for.
#include "engine/weights.h"

#include <mutex>
#include <set>
#include <string>

#include "gtest/gtest.h"

namespace plumbline::weights_test {
namespace {

// Notes what is read and released.
class WatchedSource final : public ForwardingSource {
 public:
  using ForwardingSource::ForwardingSource;
  absl::Status ReadRows(const TensorShape& shape, int64_t row, int64_t num_rows,
                        float* out) const override {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      read_.insert(shape.name);
      EXPECT_FALSE(released_.contains(shape.name)) << shape.name << " is read after its release";
    }
    return ForwardingSource::ReadRows(shape, row, num_rows, out);
  }
  void Release(absl::string_view name) const override {
    const std::lock_guard<std::mutex> lock(mutex_);
    EXPECT_TRUE(released_.insert(std::string(name)).second) << name << " is released again";
    ForwardingSource::Release(name);
  }
  const std::set<std::string>& read() const { return read_; }
  const std::set<std::string>& released() const { return released_; }

 private:
  mutable std::mutex mutex_;
  mutable std::set<std::string> read_;
  mutable std::set<std::string> released_;
};

TEST(LoadWeightsTest, ReleasesEveryTensorOnceAfterItWasRead) {
  const auto source = OpenModel("synthetic:llama-160m,layers=3,width=96,heads=3,ffn=80,vocab=300");
  ASSERT_TRUE(source.ok()) << source.status();
  for (const int threads : {1, 3}) {
    const auto context = MatmulContext::Create(threads);
    ASSERT_TRUE(context.ok()) << context.status();
    const WatchedSource watched(**source);
    const auto weights = LoadWeights(watched, WeightDtype::kF32, **context);
    ASSERT_TRUE(weights.ok()) << weights.status();
    EXPECT_EQ(watched.read(), watched.released());
    EXPECT_EQ(watched.read().size(), ExpectedTensors((*source)->config()).size());
  }
}

}  // namespace
}  // namespace plumbline::weights_test
