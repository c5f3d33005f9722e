// SPDX-License-Identifier: LGPL-2.1-or-later
#include "plugin/testfaults.h"

#include <variant>

namespace digfusion {
namespace {

using scene::Faults;

/// One fault; the type of its member is the type of its property.
struct Row {
  std::variant<double Faults::*, int Faults::*, bool Faults::*, std::int64_t Faults::*> member;
  const char *name, *nick, *blurb;
  double minimum, maximum;
};

constexpr double day = 86400.0 * GST_SECOND;

constexpr Row rows[] = {
    {&Faults::offset_x, "infrared-offset-x", "Infrared offset to the right",
     "Pixels by which the infrared camera shows everything too far to the right", -256, 256},
    {&Faults::offset_y, "infrared-offset-y", "Infrared offset downwards",
     "Pixels by which the infrared camera shows everything too far down", -256, 256},
    {&Faults::rotation, "infrared-rotation", "Infrared rotation",
     "Degrees by which the infrared camera shows everything turned clockwise about its picture's centre, "
     "before "
     "the offset",
     -45, 45},
    {&Faults::noise, "infrared-noise", "Infrared noise",
     "Standard deviation of more noise in the infrared pixels, in 255ths of white", 0, 255},
    {&Faults::column_noise, "infrared-column-noise", "Infrared column noise",
     "Standard deviation of more noise that a column has in common and keeps, in 255ths of white", 0, 255},
    {&Faults::dead_pixels, "infrared-dead-pixels", "Infrared dead pixels",
     "Infrared pixels that are stuck at black or white (in 16 bits: at 0 or 65535)", 0, 1000000},
    {&Faults::telemetry_rows, "infrared-telemetry-rows", "Infrared telemetry rows",
     "Rows at the foot of the infrared picture that hold data; the scene fills the rows above", 0, 16},
    {&Faults::kelvin, "infrared-kelvin", "Infrared kelvin",
     "Infrared pictures are radiometric: GRAY16_LE of kelvin × 100, people warmer than the street", 0, 1},
    {&Faults::clock_offset, "infrared-clock-offset", "Infrared clock offset",
     "Nanoseconds by which infrared frames are stamped later than they were taken; negative: earlier", -day,
     day},
    {&Faults::clock_drift, "infrared-clock-drift", "Infrared clock drift",
     "Parts per million by which infrared frames come slower than the caps say; negative: faster", -100000,
     100000},
    {&Faults::jitter, "infrared-jitter", "Infrared jitter",
     "Largest error of an infrared timestamp in nanoseconds, either way; at most 0.4 frames", 0, day},
    {&Faults::drops, "infrared-drops", "Infrared drops", "Share of the infrared frames that never arrive", 0,
     1},
    {&Faults::shutter_interval, "infrared-shutter-interval", "Infrared shutter interval",
     "Nanoseconds from one shutter of the infrared camera to the next, while which it repeats a frame; 0: "
     "never",
     0, day},
    {&Faults::shutter_length, "infrared-shutter-length", "Infrared shutter length",
     "Nanoseconds that the infrared camera's shutter stays closed", 0, day},
};

struct Installed {
  const Row& row;
  GParamFlags flags;

  GParamSpec* operator()(double Faults::*member) const {
    return g_param_spec_double(row.name, row.nick, row.blurb, row.minimum, row.maximum, Faults{}.*member,
                               flags);
  }
  GParamSpec* operator()(int Faults::*member) const {
    return g_param_spec_int(row.name, row.nick, row.blurb, static_cast<gint>(row.minimum),
                            static_cast<gint>(row.maximum), Faults{}.*member, flags);
  }
  GParamSpec* operator()(bool Faults::*member) const {
    return g_param_spec_boolean(row.name, row.nick, row.blurb, Faults{}.*member, flags);
  }
  GParamSpec* operator()(std::int64_t Faults::*member) const {
    return g_param_spec_int64(row.name, row.nick, row.blurb, static_cast<gint64>(row.minimum),
                              static_cast<gint64>(row.maximum), Faults{}.*member, flags);
  }
};

struct Set {
  Faults& faults;
  const GValue* from;
  void operator()(double Faults::*member) const { faults.*member = g_value_get_double(from); }
  void operator()(int Faults::*member) const { faults.*member = g_value_get_int(from); }
  void operator()(bool Faults::*member) const { faults.*member = g_value_get_boolean(from); }
  void operator()(std::int64_t Faults::*member) const { faults.*member = g_value_get_int64(from); }
};

struct Get {
  const Faults& faults;
  GValue* to;
  void operator()(double Faults::*member) const { g_value_set_double(to, faults.*member); }
  void operator()(int Faults::*member) const { g_value_set_int(to, faults.*member); }
  void operator()(bool Faults::*member) const { g_value_set_boolean(to, faults.*member); }
  void operator()(std::int64_t Faults::*member) const { g_value_set_int64(to, faults.*member); }
};

}  // namespace

void install_fault_properties(GObjectClass* object_class, guint first_id) {
  for (const Row& row : rows) {
    // Its caps are another format.
    const bool is_kelvin = std::holds_alternative<bool Faults::*>(row.member);
    const int flags = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS |
                      (is_kelvin ? GST_PARAM_MUTABLE_READY : GST_PARAM_MUTABLE_PLAYING);
    g_object_class_install_property(object_class, first_id++,
                                    std::visit(Installed{row, static_cast<GParamFlags>(flags)}, row.member));
  }
}

bool set_fault(Faults& faults, guint index, const GValue* from) {
  if (index >= std::size(rows)) return false;
  std::visit(Set{faults, from}, rows[index].member);
  return true;
}

bool get_fault(const Faults& faults, guint index, GValue* to) {
  if (index >= std::size(rows)) return false;
  std::visit(Get{faults, to}, rows[index].member);
  return true;
}

}  // namespace digfusion
