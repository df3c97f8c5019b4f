#include "tools/toy_path.h"

#include <filesystem>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace plumbline::toy_path_test {
namespace {

TEST(ToyPathTest, InstalledTreeComesFirst) {
  const std::vector<std::string> places = ToyModelPlaces("/opt/plumbline/bin/plumbline");
  ASSERT_EQ(places.size(), 2u);
  EXPECT_EQ(places[0], "/opt/plumbline/share/plumbline/toy-shakespeare.gguf");
  EXPECT_EQ(places[1], std::string(PLUMBLINE_SOURCE_DIR) + "/tools/toy/toy-shakespeare.gguf");
}

TEST(ToyPathTest, WithoutAnExecutableOnlyTheSourceTree) {
  EXPECT_THAT(ToyModelPlaces(""), testing::SizeIs(1));
}

TEST(ToyPathTest, FindsTheModelFromTheBuildTree) {
  const auto path = FindToyModel();
  ASSERT_TRUE(path.ok()) << path.status();
  EXPECT_TRUE(std::filesystem::is_regular_file(*path));
}

TEST(ToyPathTest, ANamedModelIsTakenAsItIs) {
  EXPECT_EQ(ModelOrToy("some/model.gguf").value(), "some/model.gguf");
  EXPECT_EQ(ModelOrToy("").value(), FindToyModel().value());
}

}  // namespace
}  // namespace plumbline::toy_path_test
