// The machine profile as a JSON file in the user's cache directory.
#ifndef PLUMBLINE_TOOLS_MACHINE_FILE_H_
#define PLUMBLINE_TOOLS_MACHINE_FILE_H_

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "engine/machine_profile.h"

namespace plumbline {

// Where `plumbline calibrate` leaves its profile for this number of threads:
// $XDG_CACHE_HOME/plumbline/machine-2.json, or ~/.cache/plumbline/machine-2.json.
// FailedPrecondition where neither variable is set.
absl::StatusOr<std::string> DefaultMachinePath(int threads);

// The text of a file, and back. A file that does not say whether its machine used tile registers
// is taken to have used them if the CPU has them. ParseMachineProfile gives DataLoss for text that
// is no profile, FailedPrecondition for another version or rates that are no positive numbers.
std::string MachineProfileJson(const MachineProfile& profile);
absl::StatusOr<MachineProfile> ParseMachineProfile(absl::string_view text);

// Writes the profile, whole or not at all, and the folders on its way. Errors of ReplacingFile.
absl::Status SaveMachineProfile(const MachineProfile& profile, const std::string& path);

// Reads the profile at `name`, of whatever machine. NotFound where there is none; errors of
// ParseMachineProfile.
absl::StatusOr<MachineProfile> ReadMachineProfile(const std::string& name);

// Reads the profile at `path` (empty: the default one for `threads`). NotFound where there is none;
// FailedPrecondition where it was measured with another number of threads, on another CPU, or with
// tile registers that this process does not use (or without those that it does);
// errors of ParseMachineProfile. All say what to do.
absl::StatusOr<MachineProfile> LoadMachineProfile(const std::string& path, int threads);

// The profile for reports that can do without: the one at `path`, or the default one for `threads`,
// or none where `path` is empty and no usable one is there (a warning says why a file that is there
// is not used). Errors of LoadMachineProfile where `path` is named.
absl::StatusOr<std::optional<MachineProfile>> FindMachineProfile(const std::string& path,
                                                                 int threads);

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_MACHINE_FILE_H_
