// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What an operator types for a camera.
#pragma once

#include <string>
#include <string_view>

namespace digfusion::pipelines {

enum class Transport { rtsp, srt, v4l2, file, uri };

struct Address {
  Transport transport = Transport::file;
  /// A URI (rtsp, srt, uri), a device (/dev/video0), or a file's path. User name and password of an rtsp://
  /// address have been taken out of it.
  std::string location;
  std::string user, password;  ///< decoded; may be empty

  /// Whether it delivers in its own time: everything but files and other URIs.
  bool is_live() const { return transport != Transport::file && transport != Transport::uri; }
  /// For messages: without the password.
  std::string text() const;
};

/// rtsp:// rtsps:// srt:// v4l2:///dev/video0 /dev/video0 file:///path, a path, and any other URI that
/// GStreamer has a source for (http://…). `option` names the option in messages. Throws UsageFailure: not an
/// address, no such file, not readable, no such device, scheme without a plugin (with its package), user
/// without host, …
Address parse_address(std::string_view text, std::string_view option);

}  // namespace digfusion::pipelines
