// SPDX-License-Identifier: LGPL-2.1-or-later
//
// How pictures go from one pipeline to another: an appsink at the end of the one, an appsrc at the start of
// the other. What happens to one pipeline (an error, a restart, a full disk) then stays with it.
#pragma once

#include <gst/app/gstappsink.h>
#include <gst/app/gstappsrc.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>

#include "pipelines/common/frame.h"

namespace digfusion::pipelines {

/// The end of a pipeline.
class Tap {
 public:
  /// Makes an appsink, floating until the caller adds element() to a bin. `on_frame` is called with every
  /// picture on the streaming thread; it may block, which holds up the pipeline. `on_end` (may be empty): end
  /// of stream, the same thread. `paced`: pictures come at their time of the clock (files played as cameras),
  /// late ones not at all.
  Tap(const std::string& name, bool paced, std::function<void(Frame)> on_frame,
      std::function<void()> on_end = {});
  /// The pipeline must be in the state NULL, or the element removed from it.
  ~Tap();
  Tap(const Tap&) = delete;
  Tap& operator=(const Tap&) = delete;
  GstElement* element() const { return GST_ELEMENT(sink_.get()); }

 private:
  GstFlowReturn pull(GstAppSink* sink);

  ObjectPtr<GstAppSink> sink_;
  std::function<void(Frame)> on_frame_;
  std::function<void()> on_end_;
};

enum class Full { wait, drop_oldest };

/// The start of a pipeline. Thread-safe.
class Feed {
 public:
  /// Makes an appsrc. `live`: it is a camera to the pipeline; `depth`: pictures that may wait in it; `full`:
  /// what a further one does: wait (nothing is lost, the source is held up), or take the place of the oldest.
  Feed(const std::string& name, bool live, unsigned depth, Full full);
  ~Feed();
  Feed(const Feed&) = delete;
  Feed& operator=(const Feed&) = delete;
  GstElement* element() const { return GST_ELEMENT(source_.get()); }

  /// Pushes a picture; a change of caps goes first. False once the pipeline doesn't take any more (stopping,
  /// error).
  bool push(const Frame& frame);
  /// Announces what comes, before there is a picture of it.
  void set_caps(GstCaps* caps);
  /// Sends an event (a gap) in order with the pictures. Takes it.
  void send(GstEvent* event);
  void end();  ///< end of stream
  /// Pictures that newer ones took the place of.
  std::uint64_t left_out() const { return left_out_; }

 private:
  ObjectPtr<GstAppSrc> source_;
  const unsigned depth_;
  const bool drops_;
  std::atomic<std::uint64_t> left_out_{0};
};

}  // namespace digfusion::pipelines
