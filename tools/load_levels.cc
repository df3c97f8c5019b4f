#include "tools/load_levels.h"

#include <algorithm>
#include <cstddef>

namespace plumbline {
namespace {

// Changes of a level at some times, in any order.
using LevelChanges = std::vector<LevelPoint>;

Levels SumOfChanges(LevelChanges changes) {
  std::stable_sort(changes.begin(), changes.end(),
                   [](const LevelPoint& a, const LevelPoint& b) { return a.seconds < b.seconds; });
  Levels levels;
  double level = 0;
  for (size_t i = 0; i < changes.size();) {
    const double seconds = changes[i].seconds;
    for (; i < changes.size() && changes[i].seconds == seconds; ++i) level += changes[i].level;
    const double before = levels.empty() ? 0 : levels.back().level;
    if (level != before) levels.push_back({seconds, level});
  }
  return levels;
}

LevelChanges ChangesOf(const Levels& levels) {
  LevelChanges changes;
  changes.reserve(levels.size());
  double before = 0;
  for (const LevelPoint& point : levels) {
    changes.push_back({point.seconds, point.level - before});
    before = point.level;
  }
  return changes;
}

void AddPresence(double from, double to, double sign, LevelChanges* changes) {
  if (!(to > from)) return;
  changes->push_back({from, sign});
  changes->push_back({to, -sign});
}

struct PresenceChanges {
  LevelChanges running;
  LevelChanges waiting;
};

void AddRequestPresence(const RequestRecord& request, double run_end_seconds,
                        PresenceChanges* changes) {
  const double end = request.finish_seconds < 0 ? run_end_seconds : request.finish_seconds;
  const double started =
      request.first_scheduled_seconds < 0 ? end : request.first_scheduled_seconds;
  AddPresence(request.intended_seconds, started, 1, &changes->waiting);
  AddPresence(started, end, 1, &changes->running);
  for (const PreemptionRecord& gone : request.preemptions) {
    const double back = gone.resumed_seconds < 0 ? end : gone.resumed_seconds;
    AddPresence(gone.evicted_seconds, back, -1, &changes->running);
    AddPresence(gone.evicted_seconds, back, 1, &changes->waiting);
  }
}

// The level at `seconds`. `*next` is the first point after it; it only moves on.
double LevelAt(const Levels& levels, double seconds, size_t* next) {
  while (*next < levels.size() && levels[*next].seconds <= seconds) ++*next;
  return *next == 0 ? 0 : levels[*next - 1].level;
}

// `steps` of one replica, in order.
Levels BlockLevels(absl::Span<const StepRecord* const> steps, const Levels& running) {
  Levels levels;
  const auto set = [&levels](double seconds, double level) {
    const double before = levels.empty() ? 0 : levels.back().level;
    if (level != before) levels.push_back({seconds, level});
  };
  size_t next = 0;
  for (size_t i = 0; i < steps.size(); ++i) {
    set(steps[i]->start_seconds, static_cast<double>(steps[i]->blocks_used));
    const bool last = i + 1 == steps.size();
    const double end = steps[i]->end_seconds;
    if (last || (steps[i + 1]->start_seconds > end && LevelAt(running, end, &next) == 0)) {
      set(end, 0);
    }
  }
  return levels;
}

}  // namespace

std::map<int64_t, LoadLevels> LevelsByReplica(const RepetitionRecord& repetition) {
  std::map<int64_t, PresenceChanges> changes;
  for (const RequestRecord& request : repetition.requests) {
    AddRequestPresence(request, repetition.end_seconds, &changes[request.replica]);
  }
  std::map<int64_t, std::vector<const StepRecord*>> steps;
  for (const StepRecord& step : repetition.steps) steps[step.replica].push_back(&step);
  std::map<int64_t, LoadLevels> by_replica;
  for (auto& [replica, own] : changes) {
    by_replica[replica].running = SumOfChanges(std::move(own.running));
    by_replica[replica].waiting = SumOfChanges(std::move(own.waiting));
  }
  for (const auto& [replica, own] : steps) {
    by_replica[replica].blocks = BlockLevels(own, by_replica[replica].running);
  }
  return by_replica;
}

LoadLevels TotalLevels(const std::map<int64_t, LoadLevels>& by_replica) {
  const auto total = [&by_replica](Levels LoadLevels::*member) {
    LevelChanges changes;
    for (const auto& [replica, levels] : by_replica) {
      const LevelChanges own = ChangesOf(levels.*member);
      changes.insert(changes.end(), own.begin(), own.end());
    }
    return SumOfChanges(std::move(changes));
  };
  return {total(&LoadLevels::running), total(&LoadLevels::waiting), total(&LoadLevels::blocks)};
}

std::vector<LevelPoint> MeanLevels(const Levels& levels, double end_seconds, int parts) {
  std::vector<LevelPoint> means;
  means.reserve(static_cast<size_t>(parts));
  size_t next = 0;
  for (int part = 0; part < parts; ++part) {
    const double begin = end_seconds * part / parts;
    const double end = end_seconds * (part + 1) / parts;
    double level = LevelAt(levels, begin, &next);
    double cursor = begin;
    double sum = 0;
    for (; next < levels.size() && levels[next].seconds < end; ++next) {
      sum += level * (levels[next].seconds - cursor);
      cursor = levels[next].seconds;
      level = levels[next].level;
    }
    sum += level * (end - cursor);
    means.push_back({begin, end > begin ? sum / (end - begin) : level});
  }
  return means;
}

}  // namespace plumbline
