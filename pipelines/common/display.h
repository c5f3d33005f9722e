// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A window (or any sink) with the chosen view and texts over it. A pipeline of its own:
//     Feed ! Overlay ! videoconvert ! videoscale ! SINK
// Pictures are shown as they come: the newest, without waiting for a time to show them at. compositor would
// make a timeline of its own instead, and drop every fused picture that the processor finished later than its
// latency allows.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "pipelines/common/fusion.h"
#include "pipelines/common/layout.h"

namespace digfusion::pipelines {

struct DisplayOptions {
  View view = View::fused;
  bool statistics = false;          ///< the overlay
  std::string sink;                 ///< a gst-launch description; empty: a window
  std::string title = "digfusion";  ///< of the window
  bool live = true;  ///< a stream that falls silent is lost; else it is only slow, as files are
};

/// Adds --view, --statistics and --sink to a program.
void add_display_options(CLI::App& app, DisplayOptions& options);

/// An old picture must not be taken for the present: a live stream that has been silent for two seconds isn't
/// shown any more. The fused view then shows what there is, and says so: the visible picture while the fusion
/// starts or lags, the infrared picture where the visible camera is lost (the element digfusion itself passes
/// the visible picture where infrared is lost), black where both are.
class Display {
 public:
  struct Callbacks {
    /// Nothing is shown from now on: the window was closed (an empty text), or why it failed.
    std::function<void(const std::string& problem)> on_close;
    /// A key in the window, as a name of X ("f", "Escape", "space").
    std::function<void(const std::string& name)> on_key;
  };

  /// Callbacks come on the main thread. Throws Failure: no screen, sink missing or not understood.
  Display(Program& program, const DisplayOptions& options, Callbacks callbacks);
  ~Display();
  Display(const Display&) = delete;
  Display& operator=(const Display&) = delete;

  /// Streaming threads; never block. Call each with every picture. Beside a fused picture those that it was
  /// made of are shown.
  void on_fused(const Frame& fused, const RecentFrames& visible, const RecentFrames& infrared);
  void on_visible(const Frame& visible);
  void on_infrared(const Frame& infrared);

  /// Main thread, a few times a second: renews the texts, and the picture when nothing comes. `notice` (may
  /// be empty) is shown in any case, above what is amiss with the picture: "recording stopped: the disk is
  /// full". `help` (may be empty): lines at the top left, below the statistics where these are shown.
  void refresh(const FusionStatus& status, const std::string& notice = {}, const std::string& help = {});

  void set_view(View view);  ///< any thread
  View view() const;
  void set_statistics(bool shown);
  bool statistics() const;
  /// Writes the next picture, texts included, as PNG; `done` on the main thread with an empty text, or why it
  /// couldn't be.
  void snapshot(const std::string& path, std::function<void(const std::string&)> done);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace digfusion::pipelines
