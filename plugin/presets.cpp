// SPDX-License-Identifier: LGPL-2.1-or-later
#include "plugin/presets.h"

namespace digfusion {
namespace {

/// GStreamer's own list holds name and parent, too, of the pads as well, which no other element can take
/// over. In the order of installation: `preset` comes before what it sets.
gchar** property_names(GstPreset* preset) {
  guint count = 0;
  g_autofree GParamSpec** properties = g_object_class_list_properties(G_OBJECT_GET_CLASS(preset), &count);
  GPtrArray* names = g_ptr_array_new();
  for (guint i = 0; i < count; ++i) {
    const GParamSpec* property = properties[i];
    const bool is_setting = (property->flags & G_PARAM_READWRITE) == G_PARAM_READWRITE &&
                            !(property->flags & G_PARAM_CONSTRUCT_ONLY) &&
                            property->owner_type != GST_TYPE_OBJECT;
    if (is_setting) g_ptr_array_add(names, g_strdup(property->name));
  }
  g_ptr_array_add(names, nullptr);
  return reinterpret_cast<gchar**>(g_ptr_array_free(names, FALSE));
}

using Load = gboolean (*)(GstPreset*, const gchar*);
Load load_all = nullptr;  ///< GStreamer's own

/// GStreamer 1.22 saves values with g_key_file_set_string() and reads them with g_key_file_get_value(), so
/// that text with a comma in it doesn't come back: it is read once more from where it has been saved.
gboolean load_preset(GstPreset* preset, const gchar* name) {
  if (!load_all(preset, name)) return FALSE;
  g_autofree gchar* path =
      g_strdup_printf("%s/gstreamer-1.0/presets/%s.prs", g_get_user_data_dir(), G_OBJECT_TYPE_NAME(preset));
  g_autoptr(GKeyFile) file = g_key_file_new();
  if (!g_key_file_load_from_file(file, path, G_KEY_FILE_NONE, nullptr)) return TRUE;
  g_auto(GStrv) names = property_names(preset);
  for (gchar** property = names; *property; ++property) {
    if (g_object_class_find_property(G_OBJECT_GET_CLASS(preset), *property)->value_type != G_TYPE_STRING)
      continue;
    g_autofree gchar* text = g_key_file_get_string(file, name, *property, nullptr);
    g_auto(GValue) value = G_VALUE_INIT;
    g_value_init(&value, G_TYPE_STRING);
    if (text && gst_value_deserialize(&value, text))
      g_object_set_property(G_OBJECT(preset), *property, &value);
  }
  return TRUE;
}

}  // namespace

void every_property_as_preset(gpointer interface, gpointer) {
  auto* preset = static_cast<GstPresetInterface*>(interface);
  load_all = preset->load_preset;
  preset->get_property_names = property_names;
  preset->load_preset = load_preset;
}

}  // namespace digfusion
