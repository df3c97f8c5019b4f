// Keeping labels apart.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <numbers>
#include <numeric>
#include <utility>

#include "tools/chart_layout.h"
#include "tools/table.h"

namespace plumbline {
namespace {

constexpr size_t kMostLabels = 60;  // bounds the work; more could not be read anyway

double OverlapArea(const CanvasRect& a, const CanvasRect& b) {
  const double width = std::min(a.right, b.right) - std::max(a.left, b.left);
  const double height = std::min(a.top, b.top) - std::max(a.bottom, b.bottom);
  return width > 0 && height > 0 ? width * height : 0;
}

double AreaOutside(const CanvasRect& rect, const CanvasRect& room) {
  return (rect.right - rect.left) * (rect.top - rect.bottom) - OverlapArea(rect, room);
}

bool Holds(const CanvasRect& rect, const CanvasPoint& point) {
  return point.x > rect.left && point.x < rect.right && point.y > rect.bottom && point.y < rect.top;
}

CanvasRect RectOf(const PlacedLabel& label) {
  const double width = TextWidthPx(label.text);
  const double half_height = 0.55 * kFontPx;
  // Turned text: the box around it.
  const double angle = label.degrees * std::numbers::pi / 180;
  const double wide =
      width * std::abs(std::cos(angle)) + 2 * half_height * std::abs(std::sin(angle));
  const double high =
      width * std::abs(std::sin(angle)) + 2 * half_height * std::abs(std::cos(angle));
  double left = label.at.x;
  if (label.align == TextAlign::kCentre) left -= wide / 2;
  if (label.align == TextAlign::kRight) left -= wide;
  return {left, left + wide, label.at.y - high / 2, label.at.y + high / 2};
}

PlacedLabel Candidate(const PlacedLabel& wanted, double radius, double angle) {
  PlacedLabel label = wanted;
  const double across = std::cos(angle);
  label.at = {wanted.at.x + radius * across, wanted.at.y + radius * std::sin(angle)};
  label.align = TextAlign::kCentre;
  if (across > 0.3) label.align = TextAlign::kLeft;
  if (across < -0.3) label.align = TextAlign::kRight;
  constexpr double kCloseEnough = 20;  // farther away a line tells whose label it is
  if (radius > kCloseEnough) label.target = wanted.at;
  return label;
}

// How many of some places on the line from the label to its point lie in `rect`.
int LineHits(const PlacedLabel& label, const CanvasRect& rect) {
  if (!label.target.has_value()) return 0;
  int hits = 0;
  constexpr int kPlaces = 12;
  for (int i = 1; i <= kPlaces; ++i) {
    const double share = static_cast<double>(i) / (kPlaces + 1);
    const CanvasPoint place = {label.at.x + share * (label.target->x - label.at.x),
                               label.at.y + share * (label.target->y - label.at.y)};
    if (Holds(rect, place)) ++hits;
  }
  return hits;
}

// Whether `c` lies left of the way from `a` to `b` (positive) or right of it (negative).
double Side(const CanvasPoint& a, const CanvasPoint& b, const CanvasPoint& c) {
  return (b.x - a.x) * (c.y - a.y) - (b.y - a.y) * (c.x - a.x);
}

bool LinesCross(const PlacedLabel& a, const PlacedLabel& b) {
  if (!a.target.has_value() || !b.target.has_value()) return false;
  return Side(a.at, *a.target, b.at) * Side(a.at, *a.target, *b.target) < 0 &&
         Side(b.at, *b.target, a.at) * Side(b.at, *b.target, *a.target) < 0;
}

double Cost(const PlacedLabel& label, double radius, absl::Span<const CanvasPoint> obstacles,
            const CanvasRect& room, const std::vector<PlacedLabel>& labels) {
  const CanvasRect rect = RectOf(label);
  double cost = radius + 10 * AreaOutside(rect, room);
  for (const PlacedLabel& other : labels) {
    cost += 3 * OverlapArea(rect, RectOf(other)) + 40 * LineHits(label, RectOf(other)) +
            40 * LineHits(other, rect) + (LinesCross(label, other) ? 40 : 0);
  }
  for (const CanvasPoint& point : obstacles) {
    if (Holds(rect, point)) cost += 25;
  }
  return cost;
}

// What labels are placed by.
struct Surroundings {
  absl::Span<const CanvasPoint> obstacles;
  CanvasRect room;
};

PlacedLabel Best(const PlacedLabel& wanted, const Surroundings& around,
                 const std::vector<PlacedLabel>& labels) {
  constexpr std::array<double, 8> kRadii = {14, 28, 42, 60, 80, 105, 135, 170};
  constexpr int kDirections = 16;
  PlacedLabel best = Candidate(wanted, kRadii[0], 0);
  double least = Cost(best, kRadii[0], around.obstacles, around.room, labels);
  for (const double radius : kRadii) {
    if (radius >= least) break;  // nothing farther away costs less
    for (int i = 0; i < kDirections; ++i) {
      PlacedLabel label = Candidate(wanted, radius, 2 * std::numbers::pi * i / kDirections);
      const double cost = Cost(label, radius, around.obstacles, around.room, labels);
      if (cost >= least) continue;
      least = cost;
      best = label;
    }
  }
  return best;
}

// The labels of points that lie together, below each other in the points' order, so that the lines
// to the points do not cross. `distance` is from the outermost point, to the left where negative.
std::vector<PlacedLabel> Column(std::vector<PlacedLabel> labels, double distance, double shift,
                                const CanvasRect& room) {
  std::vector<double> heights;
  double edge = labels[0].at.x;
  for (const PlacedLabel& label : labels) {
    heights.push_back(label.at.y + shift);
    edge = distance < 0 ? std::min(edge, label.at.x) : std::max(edge, label.at.x);
  }
  const double half = 0.6 * kFontPx;
  heights = Spread(heights, 1.15 * kFontPx, room.bottom + half, room.top - half);
  for (size_t i = 0; i < labels.size(); ++i) {
    labels[i].target = labels[i].at;
    labels[i].at = {edge + distance, heights[i]};
    labels[i].align = distance < 0 ? TextAlign::kRight : TextAlign::kLeft;
  }
  return labels;
}

std::vector<PlacedLabel> BestColumn(const std::vector<PlacedLabel>& wanted,
                                    const Surroundings& around,
                                    const std::vector<PlacedLabel>& labels) {
  std::vector<PlacedLabel> best;
  double least = 0;
  for (const double distance : {26.0, -26.0, 60.0, -60.0, 110.0, -110.0}) {
    for (const double lines : {0, 1, -1, 2, -2, 4, -4}) {
      std::vector<PlacedLabel> column = Column(wanted, distance, lines * kFontPx, around.room);
      double cost = 0;
      std::vector<PlacedLabel> others = labels;
      for (const PlacedLabel& label : column) {
        const double reach = std::hypot(label.at.x - label.target->x, label.at.y - label.target->y);
        cost += Cost(label, reach, around.obstacles, around.room, others);
        others.push_back(label);
      }
      if (!best.empty() && cost >= least) continue;
      least = cost;
      best = std::move(column);
    }
  }
  return best;
}

bool LieTogether(const PlacedLabel& a, const PlacedLabel& b) {
  return std::abs(a.at.x - b.at.x) < 3 * kFontPx && std::abs(a.at.y - b.at.y) < 3 * kFontPx;
}

// Groups of labels whose points are joined by short ways, in the order of their first labels.
std::vector<std::vector<PlacedLabel>> Clusters(absl::Span<const PlacedLabel> wanted) {
  std::vector<bool> taken(wanted.size(), false);
  std::vector<std::vector<PlacedLabel>> clusters;
  for (size_t first = 0; first < wanted.size(); ++first) {
    if (taken[first]) continue;
    taken[first] = true;
    std::vector<PlacedLabel> cluster = {wanted[first]};
    for (size_t member = 0; member < cluster.size(); ++member) {
      for (size_t i = first + 1; i < wanted.size(); ++i) {
        if (taken[i] || !LieTogether(cluster[member], wanted[i])) continue;
        taken[i] = true;
        cluster.push_back(wanted[i]);
      }
    }
    clusters.push_back(std::move(cluster));
  }
  return clusters;
}

}  // namespace

double TextWidthPx(absl::string_view text) {
  constexpr double kWidthPerFont = 0.57;
  return kWidthPerFont * kFontPx * static_cast<double>(DisplayWidth(text));
}

std::vector<double> Spread(const std::vector<double>& wanted, double gap, double low, double high) {
  const size_t count = wanted.size();
  if (count > 1) gap = std::min(gap, (high - low) / static_cast<double>(count - 1));
  std::vector<size_t> order(count);
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&wanted](size_t a, size_t b) { return wanted[a] < wanted[b]; });
  // With i gaps taken off the i-th, "gap apart" reads "in order"; the closest ordered sequence is
  // the isotonic regression, by pooling adjacent violators: runs of equal mean.
  struct Run {
    double sum;
    size_t size;
    double Mean() const { return sum / static_cast<double>(size); }
  };
  std::vector<Run> runs;
  for (size_t i = 0; i < count; ++i) {
    runs.push_back({wanted[order[i]] - gap * static_cast<double>(i), 1});
    while (runs.size() > 1 && runs[runs.size() - 2].Mean() > runs.back().Mean()) {
      const Run last = runs.back();
      runs.pop_back();
      runs.back().sum += last.sum;
      runs.back().size += last.size;
    }
  }
  const double span = count == 0 ? 0 : gap * static_cast<double>(count - 1);
  std::vector<double> placed(count);
  size_t i = 0;
  for (const Run& run : runs) {
    for (size_t k = 0; k < run.size; ++k, ++i) {
      const double base = std::clamp(run.Mean(), low, std::max(low, high - span));
      placed[order[i]] = base + gap * static_cast<double>(i);
    }
  }
  return placed;
}

void PlaceNear(absl::Span<const PlacedLabel> wanted, absl::Span<const CanvasPoint> obstacles,
               const CanvasRect& room, std::vector<PlacedLabel>& labels) {
  const Surroundings around = {obstacles, room};
  for (const std::vector<PlacedLabel>& cluster : Clusters(wanted.subspan(0, kMostLabels))) {
    std::vector<PlacedLabel> placed = cluster.size() == 1
                                          ? std::vector{Best(cluster[0], around, labels)}
                                          : BestColumn(cluster, around, labels);
    labels.insert(labels.end(), placed.begin(), placed.end());
  }
}

}  // namespace plumbline
