// Profiles survive their file; bad files are refused with a word on what to do.
#include "tools/machine_file.h"

#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "engine/bf16_unit.h"
#include "engine/machine.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/support/made_profile.h"

namespace plumbline::machine_file_test {
namespace {

using testing::HasSubstr;
using Json = nlohmann::ordered_json;

std::string TestPath() {
  return testing::TempDir() + "machine_file_" +
         testing::UnitTest::GetInstance()->current_test_info()->name();
}

MachineProfile OfThisMachine() {
  MachineProfile profile = MadeProfile(1.25e11, 3.7e10 / 3, 2e5);
  profile.cpu_model = DetectMachine().cpu_model;
  profile.bf16_unit = UsedBf16Unit();
  return profile;
}

TEST(MachineFileTest, ComesBackAsItWas) {
  for (const Bf16Unit unit : {Bf16Unit::kNone, Bf16Unit::kPairs, Bf16Unit::kTiles}) {
    MachineProfile profile = MadeProfile(1e11 / 3, 3.7e10, 1e6 / 7);
    profile.bf16_unit = unit;
    const auto parsed = ParseMachineProfile(MachineProfileJson(profile));
    ASSERT_TRUE(parsed.ok()) << parsed.status();
    EXPECT_EQ(*parsed, profile);
  }
}

TEST(MachineFileTest, NoTestSeesTheProfileOfWhoeverRunsIt) {
  if (std::getenv("OMP_WAIT_POLICY") == nullptr) GTEST_SKIP() << "ctest sets the environment";
  EXPECT_STREQ(std::getenv("XDG_CACHE_HOME"), "/nonexistent");
}

TEST(MachineFileTest, AnUnknownUnitIsRefused) {
  Json json = Json::parse(MachineProfileJson(MadeProfile(1e11, 1e10, 1e5)));
  json["bf16_unit"] = "quads";
  const auto parsed = ParseMachineProfile(json.dump());
  EXPECT_EQ(parsed.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(parsed.status().message()), HasSubstr("quads"));
}

TEST(MachineFileTest, IsSavedWithItsFoldersAndLoaded) {
  const std::string path = TestPath() + "/a/b/machine.json";
  std::filesystem::remove_all(TestPath());
  ASSERT_TRUE(SaveMachineProfile(OfThisMachine(), path).ok());
  const auto loaded = LoadMachineProfile(path, 2);
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(*loaded, OfThisMachine());
  const auto other = LoadMachineProfile(path, 3);
  EXPECT_EQ(other.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(other.status().message()), HasSubstr("calibrate --threads 3"));
  std::filesystem::remove_all(TestPath());
}

TEST(MachineFileTest, AnotherCpuIsRefused) {
  const std::string path = TestPath();
  ASSERT_TRUE(SaveMachineProfile(MadeProfile(1e11, 1e10, 1e5), path).ok());
  const auto loaded = LoadMachineProfile(path, 2);
  EXPECT_EQ(loaded.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(loaded.status().message()), HasSubstr("made by hand"));
  std::filesystem::remove(path);
}

// Read as another machine's it will do; as this one's it would predict what this process never
// does.
TEST(MachineFileTest, AnotherBf16UnitIsRefused) {
  const std::string path = TestPath();
  MachineProfile profile = OfThisMachine();
  profile.bf16_unit = UsedBf16Unit() == Bf16Unit::kTiles ? Bf16Unit::kPairs : Bf16Unit::kTiles;
  ASSERT_TRUE(SaveMachineProfile(profile, path).ok());
  const auto loaded = LoadMachineProfile(path, 2);
  EXPECT_EQ(loaded.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(loaded.status().message()), HasSubstr("bf16_unit"));
  const auto read = ReadMachineProfile(path);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(*read, profile);
  std::filesystem::remove(path);
}

TEST(MachineFileTest, AMissingFileSaysHowToMakeOne) {
  const auto loaded = LoadMachineProfile("/nonexistent/machine.json", 2);
  EXPECT_EQ(loaded.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(loaded.status().message()), HasSubstr("run plumbline calibrate"));
}

TEST(MachineFileTest, AHugeFileIsNotRead) {
  const std::string path = TestPath();
  std::ofstream(path) << std::string(2 << 20, ' ');
  EXPECT_EQ(LoadMachineProfile(path, 2).status().code(), absl::StatusCode::kDataLoss);
  std::filesystem::remove(path);
}

TEST(MachineFileTest, TextThatIsNoProfileIsRefused) {
  for (const char* text : {"", "{", "[]", "{}", "3", "null", "\"x\"", "\xff\xfe"}) {
    EXPECT_EQ(ParseMachineProfile(text).status().code(), absl::StatusCode::kDataLoss) << text;
  }
}

// Every part of the file matters: without it, or with another kind of value, there is no profile.
TEST(MachineFileTest, NoPartMayBeMissingOrOfAnotherKind) {
  const Json good = Json::parse(MachineProfileJson(MadeProfile(1e11, 1e10, 1e5)));
  for (const auto& item : good.items()) {
    Json missing = good;
    missing.erase(item.key());
    const bool may_be_missing = item.key() == "tile_registers";
    EXPECT_EQ(ParseMachineProfile(missing.dump()).ok(), may_be_missing) << item.key();
    Json other = good;
    other[item.key()] = Json::array({nullptr});
    EXPECT_FALSE(ParseMachineProfile(other.dump()).ok()) << item.key();
  }
}

TEST(MachineFileTest, BadNumbersAndNamesAreRefused) {
  const Json good = Json::parse(MachineProfileJson(MadeProfile(1e11, 1e10, 1e5)));
  const auto with = [&](const char* pointer, const Json& value) {
    Json json = good;
    json[Json::json_pointer(pointer)] = value;
    return ParseMachineProfile(json.dump()).status().code();
  };
  constexpr auto kFailed = absl::StatusCode::kFailedPrecondition;
  EXPECT_EQ(with("/plumbline_machine_profile", 99), kFailed);
  EXPECT_EQ(with("/matmul/0/wide_macs/per_second", -1.0), kFailed);
  EXPECT_EQ(with("/read/1/rate/per_second", 0), kFailed);
  EXPECT_EQ(with("/rows/gelu/spread", -0.5), kFailed);
  EXPECT_EQ(with("/threads", 0), kFailed);
  EXPECT_EQ(with("/matmul", Json::array()), kFailed);
  EXPECT_EQ(with("/matmul/0/dtype", "f17"), absl::StatusCode::kDataLoss);
  EXPECT_EQ(with("/cache/0/dtype", 3), absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace plumbline::machine_file_test
