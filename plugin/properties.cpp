// SPDX-License-Identifier: LGPL-2.1-or-later
#include "plugin/properties.h"

#include <cctype>
#include <string>
#include <type_traits>
#include <variant>
#include <vector>

#include "plugin/ladder.h"

namespace digfusion {
namespace {

/// "infrared-fit" is the type GstDigfusionInfraredFit.
std::string type_name(const char* parameter) {
  std::string name = "GstDigfusion";
  bool upper = true;
  for (const char* c = parameter; *c; ++c) {
    if (*c == '-') {
      upper = true;
    } else {
      name += upper ? static_cast<char>(std::toupper(static_cast<unsigned char>(*c))) : *c;
      upper = false;
    }
  }
  return name;
}

/// The registered type of a parameter's choices. GObject keeps the values' array, so it is never freed.
GType enum_type(const char* parameter, std::span<const Choice> choices) {
  const std::string name = type_name(parameter);
  if (const GType known = g_type_from_name(name.c_str())) return known;
  auto* values = new GEnumValue[choices.size() + 1];
  for (std::size_t i = 0; i < choices.size(); ++i)
    values[i] = {choices[i].value, choices[i].blurb, choices[i].nick};
  values[choices.size()] = {0, nullptr, nullptr};
  const GType type = g_enum_register_static(name.c_str(), values);
  gst_type_mark_as_plugin_api(type, static_cast<GstPluginAPIFlags>(0));
  return type;
}

constexpr Choice eos_policies[] = {
    {static_cast<int>(EosPolicy::visible), "visible",
     "With the visible stream; after the infrared one has ended, visible pictures go on unfused"},
    {static_cast<int>(EosPolicy::first), "first", "With the stream that ends first"},
    {static_cast<int>(EosPolicy::all), "all",
     "When both have ended: as visible, and what is left of the infrared stream is awaited and discarded"},
};

constexpr Choice leads[] = {
    {static_cast<int>(Lead::visible), "visible",
     "Each visible picture comes out once, with the nearest infrared one, at its time"},
    {static_cast<int>(Lead::infrared), "infrared",
     "Each infrared picture comes out once, with the nearest visible one, at the infrared one's time"},
};

constexpr Choice pair_bys[] = {
    {static_cast<int>(PairBy::running_time), "running-time",
     "Running time, as timestamps and segments give it"},
    {static_cast<int>(PairBy::reference_timestamp), "reference-timestamp",
     "The pictures' reference timestamps (GstReferenceTimestampMeta: NTP, PTP), where both have them of one "
     "clock; running time where not"},
};

constexpr Choice loss_policies[] = {
    {static_cast<int>(LossPolicy::freeze), "freeze", "The lost stream's last picture stands in for it"},
    {static_cast<int>(LossPolicy::pass), "pass", "The other stream's pictures are sent unfused"},
    {static_cast<int>(LossPolicy::blank), "blank", "Black pictures are sent, which nobody takes for healthy"},
    {static_cast<int>(LossPolicy::error), "error", "It is an element error"},
    {static_cast<int>(LossPolicy::wait), "wait", "Nothing is sent until it is back"},
};
constexpr std::span infrared_loss_policies(loss_policies, std::size(loss_policies) - 1);

/// Of the parameter `preset`, those that are on the ladder.
std::span<const Choice> rung_choices() {
  static const std::vector<Choice> choices = [] {
    std::vector<Choice> result;
    for (const Preset rung : Ladder::rungs())
      for (const Choice& choice : find_parameter("preset")->choices)
        if (choice.value == static_cast<int>(rung)) result.push_back(choice);
    return result;
  }();
  return choices;
}

constexpr auto readwrite = static_cast<GParamFlags>(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS);

GParamFlags flags_of(const ParameterSpec& spec) {
  int flags = readwrite;
  if (spec.mutability == Mutability::ready) {
    flags |= GST_PARAM_MUTABLE_READY;
  } else {
    flags |= GST_PARAM_MUTABLE_PLAYING;
    if (!spec.is_text()) flags |= GST_PARAM_CONTROLLABLE;
  }
  return static_cast<GParamFlags>(flags);
}

GParamSpec* param_spec(const ParameterSpec& spec) {
  const Value initial = spec.default_value();
  const GParamFlags flags = flags_of(spec);
  if (spec.is_choice())
    return g_param_spec_enum(spec.name, spec.nick, spec.blurb, enum_type(spec.name, spec.choices),
                             static_cast<gint>(std::get<std::int64_t>(initial)), flags);
  if (spec.is_text())
    return g_param_spec_string(spec.name, spec.nick, spec.blurb, std::get<std::string>(initial).c_str(),
                               flags);
  if (spec.is_real())
    return g_param_spec_double(spec.name, spec.nick, spec.blurb, spec.minimum, spec.maximum,
                               std::get<double>(initial), flags);
  const std::int64_t integer = std::get<std::int64_t>(initial);
  if (spec.maximum > G_MAXINT)
    return g_param_spec_int64(spec.name, spec.nick, spec.blurb, static_cast<gint64>(spec.minimum),
                              static_cast<gint64>(spec.maximum), integer, flags);
  return g_param_spec_int(spec.name, spec.nick, spec.blurb, static_cast<gint>(spec.minimum),
                          static_cast<gint>(spec.maximum), static_cast<gint>(integer), flags);
}

/// One of the StreamSettings; the type of the member is the type of the property.
struct OwnRow {
  std::variant<EosPolicy StreamSettings::*, Lead StreamSettings::*, PairBy StreamSettings::*,
               LossPolicy StreamSettings::*, Preset StreamSettings::*, unsigned StreamSettings::*,
               std::uint64_t StreamSettings::*, bool StreamSettings::*>
      member;
  const char *name, *nick, *blurb;
  std::span<const Choice> choices = {};
};

const OwnRow own_rows[] = {
    {&StreamSettings::eos_policy, "eos-policy", "End of stream", "When the fused stream ends", eos_policies},
    {&StreamSettings::lead, "lead", "Leading stream", "Which stream gives the output its pace and times",
     leads},
    {&StreamSettings::pair_by, "pair-by", "Pair by", "Which time says what picture is nearest", pair_bys},
    {&StreamSettings::max_failures, "max-failures", "Failures in a row",
     "Visible pictures in a row that can't be fused and are passed through with a warning, before that is an "
     "error, since a visible picture alone can look healthy; 0 for never"},
    {&StreamSettings::infrared_loss, "infrared-loss-policy", "Loss of infrared",
     "What is sent while no infrared picture is at most max-infrared-age away; pass ends with an error after "
     "max-failures pictures",
     infrared_loss_policies},
    {&StreamSettings::visible_loss, "visible-loss-policy", "Loss of visible",
     "What is sent, in live pipelines at the infrared stream's pace, when the visible stream has paused for "
     "max-visible-age",
     loss_policies},
    {&StreamSettings::pts_tolerance, "pts-tolerance", "Tolerance of timestamps",
     "How many nanoseconds of running time an infrared picture may lie after the visible one that it is "
     "fused "
     "with; beyond, the one before it stands in"},
    {&StreamSettings::max_infrared_age, "max-infrared-age", "Oldest infrared",
     "How many nanoseconds an infrared picture may lie before or after a visible one to be fused with it, at "
     "least the interval of its stream; beyond, the infrared stream counts as lost"},
    {&StreamSettings::max_visible_age, "max-visible-age", "Oldest visible",
     "How many nanoseconds after the end of its last picture a live visible stream counts as lost"},
    {&StreamSettings::frozen_infrared_after, "frozen-infrared-after", "Frozen infrared",
     "How many nanoseconds infrared pictures must be the same, while the visible ones clearly change, to "
     "count as "
     "frozen (the camera's shutter is closed, or it hangs); infrared-loss-policy applies then, without "
     "max-failures; 0 for never"},
    {&StreamSettings::recovery_frames, "recovery-frames", "Frames of recovery",
     "Over how many pictures the fused one is faded in after a loss that was passed or blanked; 0 for at "
     "once"},
    {&StreamSettings::qos, "qos", "Quality of service",
     "Drop visible pictures, with QoS messages, that downstream says come too late, or that in a live "
     "pipeline "
     "wait behind more than the machine can fuse"},
    {&StreamSettings::adaptive, "adaptive", "Adaptive preset",
     "Where pictures of a live pipeline, or of one whose sink says so, would come too late, compute with a "
     "cheaper preset than the one asked for (quality, balanced, realtime, minimal; with the parameters that "
     "they decide as they have them) until the machine has time again; the message digfusion-preset tells"},
    {&StreamSettings::adaptive_floor, "adaptive-floor", "Cheapest preset", "How far down adaptive may go",
     rung_choices()},
};

/// The property of a row.
struct OwnSpec {
  const OwnRow& row;
  static constexpr auto flags = static_cast<GParamFlags>(readwrite | GST_PARAM_MUTABLE_PLAYING);

  template <class Policy>
  requires std::is_enum_v<Policy> GParamSpec* operator()(Policy StreamSettings::*member) const {
    return g_param_spec_enum(row.name, row.nick, row.blurb, enum_type(row.name, row.choices),
                             static_cast<gint>(StreamSettings{}.*member), flags);
  }
  GParamSpec* operator()(unsigned StreamSettings::*member) const {
    return g_param_spec_uint(row.name, row.nick, row.blurb, 0, G_MAXUINT, StreamSettings{}.*member, flags);
  }
  GParamSpec* operator()(bool StreamSettings::*member) const {
    return g_param_spec_boolean(row.name, row.nick, row.blurb, StreamSettings{}.*member, flags);
  }
  GParamSpec* operator()(std::uint64_t StreamSettings::*member) const {
    return g_param_spec_uint64(row.name, row.nick, row.blurb, 0, G_MAXUINT64, StreamSettings{}.*member,
                               flags);
  }
};

struct SetOwn {
  Settings& settings;
  const GValue* from;
  template <class Policy>
  requires std::is_enum_v<Policy>
  void operator()(Policy StreamSettings::*member) const {
    settings.set(member, static_cast<Policy>(g_value_get_enum(from)));
  }
  void operator()(unsigned StreamSettings::*member) const { settings.set(member, g_value_get_uint(from)); }
  void operator()(bool StreamSettings::*member) const {
    settings.set(member, g_value_get_boolean(from) != 0);
  }
  void operator()(std::uint64_t StreamSettings::*member) const {
    settings.set(member, std::uint64_t{g_value_get_uint64(from)});
  }
};

struct GetOwn {
  const StreamSettings settings;
  GValue* to;
  template <class Policy>
  requires std::is_enum_v<Policy>
  void operator()(Policy StreamSettings::*member) const {
    g_value_set_enum(to, static_cast<gint>(settings.*member));
  }
  void operator()(unsigned StreamSettings::*member) const { g_value_set_uint(to, settings.*member); }
  void operator()(bool StreamSettings::*member) const { g_value_set_boolean(to, settings.*member); }
  void operator()(std::uint64_t StreamSettings::*member) const { g_value_set_uint64(to, settings.*member); }
};

const OwnRow* own_row(guint id) {
  if (id < prop_first_own || id - prop_first_own >= std::size(own_rows)) return nullptr;
  return &own_rows[id - prop_first_own];
}
static_assert(prop_first_own + std::size(own_rows) <= prop_first_parameter);

}  // namespace

void install_properties(GObjectClass* object_class) {
  guint id = prop_first_own;
  for (const OwnRow& row : own_rows)
    g_object_class_install_property(object_class, id++, std::visit(OwnSpec{row}, row.member));
  g_object_class_install_property(
      object_class, prop_stats,
      g_param_spec_boxed(
          "stats", "Statistics",
          "Since the stream's start: frames (pictures sent), dropped (infrared pictures that none was "
          "fused with), passed-through and failures (visible pictures sent unfused, and those of them "
          "that should have been fused), blanked (black pictures sent), late (visible pictures dropped "
          "because they came too late), preset (in use: see adaptive), infrared-losses and visible-losses "
          "(times that a stream got "
          "lost), infrared-freezes (times that it froze), infrared-offset-ms (median of infrared minus "
          "visible time of the last pairs), "
          "infrared-drift-ppm (how much slower infrared pictures come than their caps say, less the "
          "same of the visible ones), refined-x, refined-y (visible pixels), refined-degrees and "
          "refinement-confidence (of registration-refine), evaluations (of a network, for the last picture), "
          "device, "
          "precision, model, and STAGE-mean-ms and STAGE-p95-ms for each stage of a picture's way",
          GST_TYPE_STRUCTURE, static_cast<GParamFlags>(G_PARAM_READABLE | G_PARAM_STATIC_STRINGS)));
  g_object_class_install_property(
      object_class, prop_force_live,
      g_param_spec_boolean(
          "force-live", "Force live",
          "Always operate in live mode, with its deadlines, also where no source says that it is "
          "live",
          FALSE, static_cast<GParamFlags>(readwrite | G_PARAM_CONSTRUCT_ONLY)));
  id = prop_first_parameter;
  for (const ParameterSpec& spec : parameter_table())
    g_object_class_install_property(object_class, id++, param_spec(spec));
}

bool set_own(Settings& settings, guint id, const GValue* from) {
  const OwnRow* row = own_row(id);
  if (row) std::visit(SetOwn{settings, from}, row->member);
  return row != nullptr;
}

bool get_own(const Settings& settings, guint id, GValue* to) {
  const OwnRow* row = own_row(id);
  if (row) std::visit(GetOwn{settings.stream(), to}, row->member);
  return row != nullptr;
}

const char* name_of(LossPolicy policy) { return loss_policies[static_cast<int>(policy)].nick; }

const ParameterSpec* parameter_of(guint property_id) {
  const auto table = parameter_table();
  if (property_id < prop_first_parameter || property_id - prop_first_parameter >= table.size())
    return nullptr;
  return &table[property_id - prop_first_parameter];
}

Value to_value(const ParameterSpec& spec, const GValue* from) {
  if (spec.is_choice()) return std::int64_t{g_value_get_enum(from)};
  if (spec.is_real()) return g_value_get_double(from);
  if (spec.is_text()) {
    const gchar* text = g_value_get_string(from);
    return std::string(text ? text : "");
  }
  return std::int64_t{G_VALUE_HOLDS_INT64(from) ? g_value_get_int64(from) : g_value_get_int(from)};
}

void from_value(const ParameterSpec& spec, const Value& value, GValue* to) {
  if (spec.is_real()) return g_value_set_double(to, std::get<double>(value));
  if (spec.is_text()) return g_value_set_string(to, std::get<std::string>(value).c_str());
  const std::int64_t integer = std::get<std::int64_t>(value);
  if (spec.is_choice()) return g_value_set_enum(to, static_cast<gint>(integer));
  if (G_VALUE_HOLDS_INT64(to)) return g_value_set_int64(to, integer);
  g_value_set_int(to, static_cast<gint>(integer));
}

GstStructure* to_structure(const StreamCounts& counts, const Statistics& statistics) {
  GstStructure* structure = gst_structure_new(
      "digfusion-stats", "frames", G_TYPE_UINT64, counts.frames, "dropped", G_TYPE_UINT64, counts.dropped,
      "passed-through", G_TYPE_UINT64, counts.passed_through, "failures", G_TYPE_UINT64, counts.failures,
      "blanked", G_TYPE_UINT64, counts.blanked, "preset", G_TYPE_STRING, name_of(counts.preset), "late",
      G_TYPE_UINT64, counts.late, "infrared-losses", G_TYPE_UINT64, counts.infrared_losses, "visible-losses",
      G_TYPE_UINT64, counts.visible_losses, "infrared-freezes", G_TYPE_UINT64, counts.infrared_freezes,
      "evaluations", G_TYPE_UINT64, guint64{statistics.evaluations}, "device", G_TYPE_STRING,
      statistics.device, "precision", G_TYPE_STRING, statistics.precision, "model", G_TYPE_STRING,
      statistics.model, nullptr);
  if (counts.infrared_offset_ms)
    gst_structure_set(structure, "infrared-offset-ms", G_TYPE_DOUBLE, *counts.infrared_offset_ms, nullptr);
  if (counts.infrared_drift_ppm)
    gst_structure_set(structure, "infrared-drift-ppm", G_TYPE_DOUBLE, *counts.infrared_drift_ppm, nullptr);
  for (int i = 0; i < statistics.stages; ++i) {
    const StageTime& stage = statistics.stage[i];
    const std::string name = stage.name;
    gst_structure_set(structure, (name + "-mean-ms").c_str(), G_TYPE_DOUBLE, stage.mean_ms,
                      (name + "-p95-ms").c_str(), G_TYPE_DOUBLE, stage.p95_ms, nullptr);
  }
  return structure;
}

}  // namespace digfusion
