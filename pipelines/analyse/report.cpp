// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pipelines/analyse/report.h"

#include <cstdio>
#include <opencv2/imgproc.hpp>

#include "core/tools/console.h"
#include "core/tools/output_file.h"
#include "core/tools/pictures.h"
#include "core/tools/plot.h"
#include "core/tools/table.h"
#include "pipelines/analyse/draw.h"
#include "pipelines/common/failure.h"

namespace digfusion::pipelines {

namespace {

using tools::number_text;

constexpr double between_examples = 2;  ///< seconds

/// Only people count, whatever else a model knows.
std::vector<Detection> people_in(Detector& detector, const cv::Mat& picture) {
  std::vector<Detection> found = detector.detect(picture);
  std::erase_if(found, [](const Detection& each) { return each.type != Detection().type; });
  return found;
}

double mean_confidence(const std::vector<Detection>& people) {
  double sum = 0;
  for (const Detection& each : people) sum += each.confidence;
  return people.empty() ? 0 : sum / static_cast<double>(people.size());
}

std::string csv(const std::vector<Moment>& moments) {
  std::vector<tools::TableRow> rows{{"time"}};
  for (const std::string_view name : stream_names) rows[0].emplace_back(name);
  for (const std::string_view name : stream_names) rows[0].push_back(std::string(name) + "_confidence");
  for (const Moment& moment : moments) {
    tools::TableRow& row = rows.emplace_back(tools::TableRow{number_text(moment.time, 3)});
    for (const auto& people : moment.people) row.push_back(std::to_string(people.size()));
    for (const auto& people : moment.people) row.push_back(number_text(mean_confidence(people), 3));
  }
  return tools::csv_table(rows);
}

std::string summary_table(const std::vector<Moment>& moments) {
  const PerStream<StreamSummary> summaries = summarise(moments);
  std::vector<tools::TableRow> rows{
      {"stream", "people a picture", "pictures with someone", "mean confidence"}};
  for (const std::string_view name : stream_names) rows[0].push_back("agreement with " + std::string(name));
  for (std::size_t stream = 0; stream < stream_count; ++stream) {
    const StreamSummary& summary = summaries[stream];
    tools::TableRow& row = rows.emplace_back(
        tools::TableRow{std::string(stream_names[stream]), number_text(summary.mean, 2),
                        number_text(100 * summary.some, 0) + " %", number_text(summary.confidence, 2)});
    for (const double agreement : summary.agreement) row.push_back(number_text(agreement, 2));
  }
  return tools::markdown_table(rows);
}

tools::Plot people_plot(const std::vector<Moment>& moments) {
  tools::Plot plot;
  tools::Panel& panel = plot.panels.emplace_back();
  panel.title = "People found, mean of one second";
  panel.x_label = "seconds";
  panel.y_label = "people";
  for (std::size_t stream = 0; stream < stream_count; ++stream) {
    tools::Curve& curve = panel.curves.emplace_back();
    curve.label = stream_names[stream];
    for (const Moment& moment : moments) curve.x.push_back(moment.time);
    curve.y = people_over_time(moments, stream);
    curve.colour = static_cast<int>(stream);
  }
  return plot;
}

}  // namespace

Report::Report(std::filesystem::path folder, std::unique_ptr<Detector> detector, ReportFacts facts)
    : folder_(std::move(folder)), detector_(std::move(detector)), facts_(std::move(facts)) {
  std::error_code error;
  std::filesystem::create_directories(folder_, error);
  if (!std::filesystem::is_directory(folder_))
    throw Failure("--report " + folder_.string() + ": the folder can't be made" +
                  (error ? ": " + error.message() : ""));
}

void Report::add(const PerStream<Frame>& frames) {
  Moment moment{.time = static_cast<double>(frames.back().time()) / GST_SECOND, .people = {}};
  PerStream<cv::Mat> pictures;
  for (std::size_t stream = 0; stream < stream_count; ++stream) {
    if (!frames[stream]) return;  // a source without a picture at this moment: nothing to compare
    pictures[stream] = to_rgb_[stream](frames[stream]);
    moment.people[stream] = people_in(*detector_, pictures[stream]);
  }
  moments_.push_back(std::move(moment));
  if (moments_.back().time >= next_example_) {
    next_example_ = moments_.back().time + between_examples;
    write_example(pictures);
  }
}

void Report::write_example(PerStream<cv::Mat>& pictures) const {
  std::vector<cv::Mat> row;
  for (std::size_t stream = 0; stream < stream_count; ++stream) {
    Findings findings;
    for (const Detection& each : moments_.back().people[stream]) findings.objects.push_back({each, 0});
    draw(pictures[stream], findings);
    cv::Mat& scaled = row.emplace_back();
    const double scale = double(pictures[0].rows) / pictures[stream].rows;
    cv::resize(pictures[stream], scaled, {cvRound(pictures[stream].cols * scale), pictures[0].rows}, 0, 0,
               cv::INTER_AREA);
  }
  cv::Mat side_by_side;
  cv::hconcat(row, side_by_side);
  cv::cvtColor(side_by_side, side_by_side, cv::COLOR_RGB2BGR);
  char name[32];
  std::snprintf(name, sizeof name, "frame-%06zu.png", moments_.size() - 1);
  tools::write_picture(folder_ / name, side_by_side);
}

std::string Report::write() const {
  if (moments_.empty()) throw Failure("the report is empty: no fused picture had both its sources");
  const std::string csv_text = csv(moments_), count = std::to_string(moments_.size());
  tools::write_file(folder_ / "report.csv", csv_text.data(), csv_text.size());
  const auto no_curves = tools::write_plot(people_plot(moments_), folder_ / "report.png");
  const std::string text = "# People found\n\n- visible: " + facts_.visible +
                           "\n- infrared: " + facts_.infrared + "\n- detector: " + facts_.detector +
                           "\n- pictures: " + count + "\n\n" + summary_table(moments_) +
                           "\nAgreement of two streams: twice their matching boxes over all boxes of both; "
                           "boxes match that overlap\n"
                           "by half or more. There is no ground truth: false alarms count as people.\n" +
                           (no_curves ? "" : "\n![People found over time](report.png)\n");
  tools::write_file(folder_ / "report.md", text.data(), text.size());
  return count + " pictures compared: " + (folder_ / "report.md").string() +
         (no_curves ? "; without report.png: " + *no_curves : "");
}

}  // namespace digfusion::pipelines
