// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A decoded picture on its way between pipelines, and owners for GStreamer's objects.
#pragma once

#include <gst/gst.h>
#include <gst/video/video.h>

#include <memory>
#include <utility>

namespace digfusion::pipelines {

struct Unref {
  void operator()(gpointer object) const { gst_object_unref(object); }
};
/// Owns one reference to a GstObject. Elements just made are floating: sink them first, or add them to a bin
/// and keep none.
template <class Object>
using ObjectPtr = std::unique_ptr<Object, Unref>;

struct UnrefMini {
  template <class Mini>
  void operator()(Mini* object) const {
    gst_mini_object_unref(GST_MINI_OBJECT_CAST(object));
  }
};
/// Owns one reference to a GstBuffer, GstCaps, GstMessage, GstSample, …
template <class Mini>
using MiniPtr = std::unique_ptr<Mini, UnrefMini>;

/// A picture with its caps. Cheap to copy: the pixels are shared and must not be written to. Its timestamp is
/// a running time of the fusion's clock and base time, whatever segment it had where it was made, so a
/// picture means the same moment in each of a program's pipelines.
class Frame {
 public:
  Frame() = default;
  /// Takes the sample's buffer and caps; the timestamp becomes its running time. An empty Frame if the sample
  /// has no buffer, no video caps, or lies outside its segment.
  static Frame from_sample(GstSample* sample);
  /// Adds references of its own; the caller keeps his. `buffer`'s timestamp must be a running time already.
  Frame(GstBuffer* buffer, GstCaps* caps);
  Frame(const Frame& other);
  Frame(Frame&& other) noexcept = default;
  Frame& operator=(Frame other) noexcept {
    std::swap(buffer_, other.buffer_);
    std::swap(caps_, other.caps_);
    return *this;
  }

  explicit operator bool() const { return buffer_ != nullptr; }
  GstBuffer* buffer() const { return buffer_.get(); }  ///< borrowed
  GstCaps* caps() const { return caps_.get(); }        ///< borrowed
  GstClockTime time() const { return GST_BUFFER_PTS(buffer_.get()); }
  /// The same picture at another running time.
  Frame at(GstClockTime time) const;
  /// Size, format, rate. Throws Failure for caps that are no raw video's.
  GstVideoInfo info() const;

 private:
  MiniPtr<GstBuffer> buffer_;
  MiniPtr<GstCaps> caps_;
};

}  // namespace digfusion::pipelines
