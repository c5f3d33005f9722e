// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pipelines/analyse/statistics.h"

#include <algorithm>
#include <tuple>

namespace digfusion::pipelines {

int matches(const std::vector<Detection>& a, const std::vector<Detection>& b) {
  constexpr double same = .5;
  std::vector<std::tuple<double, std::size_t, std::size_t>> pairs;
  for (std::size_t i = 0; i < a.size(); ++i)
    for (std::size_t j = 0; j < b.size(); ++j)
      if (const double shared = overlap(a[i].box, b[j].box); shared >= same)
        pairs.emplace_back(-shared, i, j);
  std::sort(pairs.begin(), pairs.end());
  std::vector<bool> used_a(a.size()), used_b(b.size());
  int count = 0;
  for (const auto& [shared, i, j] : pairs) {
    if (used_a[i] || used_b[j]) continue;
    used_a[i] = used_b[j] = true;
    ++count;
  }
  return count;
}

std::vector<double> people_over_time(const std::vector<Moment>& moments, std::size_t stream) {
  constexpr double reach = .5;  // seconds to either side
  std::vector<double> values;
  std::size_t begin = 0, end = 0;
  double sum = 0;
  for (const Moment& moment : moments) {
    while (end < moments.size() && moments[end].time <= moment.time + reach)
      sum += static_cast<double>(moments[end++].people[stream].size());
    while (moments[begin].time < moment.time - reach)
      sum -= static_cast<double>(moments[begin++].people[stream].size());
    values.push_back(sum / static_cast<double>(end - begin));
  }
  return values;
}

PerStream<StreamSummary> summarise(const std::vector<Moment>& moments) {
  PerStream<StreamSummary> summaries;
  PerStream<double> people{}, confidence{}, with_some{};
  PerStream<PerStream<double>> matched{};
  for (const Moment& moment : moments)
    for (std::size_t a = 0; a < stream_count; ++a) {
      people[a] += static_cast<double>(moment.people[a].size());
      with_some[a] += moment.people[a].empty() ? 0 : 1;
      for (const Detection& each : moment.people[a]) confidence[a] += each.confidence;
      for (std::size_t b = 0; b < stream_count; ++b)
        matched[a][b] += matches(moment.people[a], moment.people[b]);
    }
  const double pictures = std::max<double>(1, static_cast<double>(moments.size()));
  for (std::size_t a = 0; a < stream_count; ++a) {
    StreamSummary& summary = summaries[a];
    summary.mean = people[a] / pictures;
    summary.some = with_some[a] / pictures;
    summary.confidence = people[a] > 0 ? confidence[a] / people[a] : 0;
    for (std::size_t b = 0; b < stream_count; ++b) {
      const double both = people[a] + people[b];
      summary.agreement[b] = both > 0 ? 2 * matched[a][b] / both : 1;
    }
  }
  return summaries;
}

}  // namespace digfusion::pipelines
