// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pipelines/common/main_source.h"

#include <utility>

namespace digfusion::pipelines {
namespace {

using Function = std::function<void()>;
using OnMessage = std::function<void(GstMessage*)>;

template <class F>
void free_function(gpointer function) {
  delete static_cast<F*>(function);
}

}  // namespace

MainSource::MainSource(GSource* source, Function function) : source_(source) {
  const GSourceFunc call = [](gpointer f) -> gboolean {
    (*static_cast<Function*>(f))();
    return G_SOURCE_CONTINUE;
  };
  g_source_set_callback(source, call, new Function(std::move(function)), &free_function<Function>);
  g_source_attach(source, nullptr);
}

MainSource MainSource::timer(unsigned milliseconds, Function function) {
  return MainSource(g_timeout_source_new(milliseconds), std::move(function));
}

MainSource MainSource::bus(GstBus* bus, OnMessage function) {
  const GstBusFunc call = [](GstBus*, GstMessage* message, gpointer f) -> gboolean {
    (*static_cast<OnMessage*>(f))(message);
    return G_SOURCE_CONTINUE;
  };
  MainSource watch;
  watch.source_.reset(gst_bus_create_watch(bus));
  g_source_set_callback(watch.source_.get(), G_SOURCE_FUNC(call), new OnMessage(std::move(function)),
                        &free_function<OnMessage>);
  g_source_attach(watch.source_.get(), nullptr);
  return watch;
}

}  // namespace digfusion::pipelines
