// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pipelines/analyse/tracker.h"

#include <algorithm>

namespace digfusion::pipelines {

void Tracker::track(std::vector<Detection>& found, double time) {
  std::erase_if(tracks_, [&](const Track& track) { return time - track.seen > memory; });

  struct Pair {
    double overlap;
    std::size_t track, detection;
  };
  std::vector<Pair> pairs;
  for (std::size_t t = 0; t < tracks_.size(); ++t)
    for (std::size_t d = 0; d < found.size(); ++d)
      if (const double shared = overlap(tracks_[t].last.box, found[d].box);
          shared >= least_overlap && tracks_[t].last.type == found[d].type)
        pairs.push_back({shared, t, d});
  std::stable_sort(pairs.begin(), pairs.end(),
                   [](const Pair& a, const Pair& b) { return a.overlap > b.overlap; });

  std::vector<bool> continued(tracks_.size());
  for (const Pair& pair : pairs) {
    if (continued[pair.track] || found[pair.detection].id != 0) continue;
    continued[pair.track] = true;
    found[pair.detection].id = tracks_[pair.track].last.id;
    tracks_[pair.track] = {found[pair.detection], time};
  }
  for (Detection& detection : found) {
    if (detection.id != 0) continue;
    detection.id = ++last_id_;
    tracks_.push_back({detection, time});
  }
}

}  // namespace digfusion::pipelines
