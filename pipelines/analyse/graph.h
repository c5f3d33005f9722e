// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The analytics graph, a pipeline of its own:
//     Feed ! videoconvert ! RGB [! motioncells] [! digdetect] [! digdraw] ! Tap
// What it finds travels as regions on the pictures (regions.h). To put another analysis into it, add its
// element where these are added in graph.cpp.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "pipelines/analyse/detect_element.h"
#include "pipelines/analyse/motion.h"
#include "pipelines/common/bridge.h"
#include "pipelines/common/main_source.h"
#include "pipelines/common/program.h"

namespace digfusion::pipelines {

struct GraphOptions {
  std::optional<double> motion;        ///< motioncells, with this sensitivity
  std::unique_ptr<Detector> detector;  ///< may be null
  Pace pace = Pace::newest_frame;      ///< every_frame: a picture that can't be taken yet holds up its source
  bool draw = false;
};

class Graph {
 public:
  /// `on_frame`: what comes out, RGB, with its regions; `on_end`: end() has come through. Both on the
  /// streaming thread. Errors of the graph end the program. Throws Failure: an element is missing.
  Graph(Program& program, GraphOptions options, std::function<void(Frame)> on_frame,
        std::function<void()> on_end);
  ~Graph();
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;

  bool push(const Frame& frame) { return feed_.push(frame); }  ///< as Feed::push()
  void end() { feed_.end(); }
  void stop();  ///< at once; who waits in push() goes on
  /// For those who want to look into it (tests: pad probes).
  GstElement* pipeline() const { return pipeline_.get(); }

 private:
  ObjectPtr<GstElement> pipeline_;
  Feed feed_;
  Tap tap_;
  std::optional<Motion> motion_;
  MainSource watch_;
};

}  // namespace digfusion::pipelines
