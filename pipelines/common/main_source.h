// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What the main thread is called for: timers, messages of a bus, signals.
#pragma once

#include <gst/gst.h>

#include <functional>
#include <memory>

namespace digfusion::pipelines {

/// A source of the default main context, removed when this goes (which may happen in its own function). The
/// functions must not throw: C calls them (Program::guarded()).
class MainSource {
 public:
  MainSource() = default;
  /// Calls `function` whenever `source` is ready. Takes the source.
  MainSource(GSource* source, std::function<void()> function);
  /// Every `milliseconds`.
  static MainSource timer(unsigned milliseconds, std::function<void()> function);
  /// With every message, which stays the bus's.
  static MainSource bus(GstBus* bus, std::function<void(GstMessage*)> function);

 private:
  struct Destroy {
    void operator()(GSource* source) const {
      g_source_destroy(source);
      g_source_unref(source);
    }
  };
  std::unique_ptr<GSource, Destroy> source_;
};

}  // namespace digfusion::pipelines
