// SPDX-License-Identifier: LGPL-2.1-or-later
//
// An X screen without a monitor (Xvfb), and what a user does there: look, press keys, close windows.
#pragma once

#include <X11/Xlib.h>
#include <X11/Xutil.h>
#include <X11/keysym.h>
#include <glib.h>

#include <array>
#include <chrono>
#include <cstring>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "tests/programs/child.h"

namespace digfusion::test {

/// Pixels of a window.
struct Picture {
  int width = 0, height = 0;
  std::vector<std::array<int, 3>> pixels;  ///< R, G, B

  /// The mean difference between a pixel's largest and smallest component, over the rows from `top` to
  /// `bottom` (parts of the height): 0 for a grey picture.
  double colourfulness(double top, double bottom) const {
    double sum = 0;
    std::size_t count = 0;
    for (int y = int(top * height); y < int(bottom * height); ++y)
      for (int x = 0; x < width; ++x, ++count) {
        const auto& [r, g, b] = pixels[std::size_t(y) * width + x];
        sum += std::max({r, g, b}) - std::min({r, g, b});
      }
    return count ? sum / double(count) : 0;
  }
  /// Rows that aren't all black.
  int rows() const {
    int count = 0;
    for (int y = 0; y < height; ++y)
      for (int x = 0; x < width; ++x)
        if (pixels[std::size_t(y) * width + x] != std::array<int, 3>{}) {
          ++count;
          break;
        }
    return count;
  }
};

class Screen {
 public:
  static bool is_there() {
    gchar* path = g_find_program_in_path("Xvfb");
    g_free(path);
    return path != nullptr;
  }

  /// Throws std::runtime_error when the server doesn't start.
  Screen()
      : server_({"Xvfb", "-displayfd", "1", "-screen", "0", "1400x700x24", "-nolisten", "tcp", "-noreset"}) {
    if (!server_.out_has("\n")) throw std::runtime_error("Xvfb doesn't start: " + server_.err());
    name_ = ":" + server_.out().substr(0, server_.out().find('\n'));
    display_ = XOpenDisplay(name_.c_str());
    if (!display_) throw std::runtime_error("Xvfb can't be reached");
    // A window may go between two looks at it.
    XSetErrorHandler([](Display*, XErrorEvent*) { return 0; });
  }
  ~Screen() { XCloseDisplay(display_); }
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;

  const std::string& name() const { return name_; }  ///< for DISPLAY

  /// Whether a window with `part` in its title is there within the limit; press(), close(), picture() and
  /// resize() are then about it.
  bool find(const std::string& part, Child::Seconds limit = Child::long_enough) {
    return wait(limit, [&] {
      ::Window root, parent, *children = nullptr;
      unsigned count = 0;
      window_ = 0;
      if (!XQueryTree(display_, DefaultRootWindow(display_), &root, &parent, &children, &count)) return false;
      for (unsigned i = 0; i < count; ++i) {
        char* title = nullptr;
        if (XFetchName(display_, children[i], &title) && title) {
          if (std::strstr(title, part.c_str())) window_ = children[i];
          XFree(title);
        }
      }
      if (children) XFree(children);
      return window_ != 0;
    });
  }

  void press(KeySym key) {
    XKeyEvent event{};
    event.type = KeyPress;
    event.display = display_;
    event.window = window_;
    event.root = DefaultRootWindow(display_);
    event.keycode = XKeysymToKeycode(display_, key);
    event.same_screen = True;
    XSendEvent(display_, window_, True, KeyPressMask, reinterpret_cast<XEvent*>(&event));
    event.type = KeyRelease;
    XSendEvent(display_, window_, True, KeyReleaseMask, reinterpret_cast<XEvent*>(&event));
    XFlush(display_);
  }

  /// As a window manager does it when the user clicks on the cross.
  void close() {
    XClientMessageEvent event{};
    event.type = ClientMessage;
    event.window = window_;
    event.message_type = XInternAtom(display_, "WM_PROTOCOLS", False);
    event.format = 32;
    event.data.l[0] = long(XInternAtom(display_, "WM_DELETE_WINDOW", False));
    XSendEvent(display_, window_, False, NoEventMask, reinterpret_cast<XEvent*>(&event));
    XFlush(display_);
  }

  void resize(unsigned width, unsigned height) {
    XResizeWindow(display_, window_, width, height);
    XFlush(display_);
  }

  Picture picture() {
    Picture picture;
    XWindowAttributes attributes;
    if (!XGetWindowAttributes(display_, window_, &attributes)) return picture;
    XImage* image = XGetImage(display_, window_, 0, 0, unsigned(attributes.width),
                              unsigned(attributes.height), AllPlanes, ZPixmap);
    if (!image) return picture;
    picture.width = image->width;
    picture.height = image->height;
    for (int y = 0; y < image->height; ++y)
      for (int x = 0; x < image->width; ++x) {
        const unsigned long pixel = XGetPixel(image, x, y);
        picture.pixels.push_back({int(pixel >> 16 & 255), int(pixel >> 8 & 255), int(pixel & 255)});
      }
    XDestroyImage(image);
    return picture;
  }

  /// Whether `done`, asked again and again, is true within the limit.
  template <class Done>
  static bool wait(Child::Seconds limit, Done done) {
    const auto end = std::chrono::steady_clock::now() + limit;
    while (!done()) {
      if (std::chrono::steady_clock::now() > end) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    return true;
  }
  template <class Done>
  bool shows(Done done) {
    return wait(Child::long_enough, [&] {
      const Picture seen = picture();
      return !seen.pixels.empty() && done(seen);
    });
  }

 private:
  Child server_;
  std::string name_;
  Display* display_ = nullptr;
  ::Window window_ = 0;
};

}  // namespace digfusion::test
