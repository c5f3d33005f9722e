// SPDX-License-Identifier: LGPL-2.1-or-later
#include "plugin/properties.h"

#include <cctype>
#include <string>

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

}  // namespace

void install_properties(GObjectClass* object_class) {
  const auto while_playing = static_cast<GParamFlags>(readwrite | GST_PARAM_MUTABLE_PLAYING);
  g_object_class_install_property(
      object_class, prop_eos_policy,
      g_param_spec_enum("eos-policy", "End of stream", "When the fused stream ends",
                        enum_type("eos-policy", eos_policies), static_cast<gint>(EosPolicy::visible),
                        while_playing));
  g_object_class_install_property(
      object_class, prop_max_failures,
      g_param_spec_uint(
          "max-failures", "Failures in a row",
          "Visible pictures in a row that can't be fused and are passed through with a warning, before "
          "that is an error, since a visible picture alone can look healthy; 0 for never",
          0, G_MAXUINT, Settings::default_max_failures, while_playing));
  g_object_class_install_property(
      object_class, prop_stats,
      g_param_spec_boxed(
          "stats", "Statistics",
          "Since the stream's start: frames (pictures sent), dropped (infrared pictures that none was "
          "fused with), passed-through and failures (visible pictures sent unfused, and those of them "
          "that should have been fused), evaluations (of a network, for the last picture), device, "
          "precision, model, and STAGE-mean-ms and STAGE-p95-ms for each stage of a picture's way",
          GST_TYPE_STRUCTURE, static_cast<GParamFlags>(G_PARAM_READABLE | G_PARAM_STATIC_STRINGS)));
  guint id = prop_first_parameter;
  for (const ParameterSpec& spec : parameter_table())
    g_object_class_install_property(object_class, id++, param_spec(spec));
}

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
      "evaluations", G_TYPE_UINT64, guint64{statistics.evaluations}, "device", G_TYPE_STRING,
      statistics.device, "precision", G_TYPE_STRING, statistics.precision, "model", G_TYPE_STRING,
      statistics.model, nullptr);
  for (int i = 0; i < statistics.stages; ++i) {
    const StageTime& stage = statistics.stage[i];
    const std::string name = stage.name;
    gst_structure_set(structure, (name + "-mean-ms").c_str(), G_TYPE_DOUBLE, stage.mean_ms,
                      (name + "-p95-ms").c_str(), G_TYPE_DOUBLE, stage.p95_ms, nullptr);
  }
  return structure;
}

}  // namespace digfusion
