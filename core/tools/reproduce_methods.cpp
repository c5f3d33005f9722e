// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/tools/reproduce_methods.h"

#include "core/tools/parameter_options.h"

namespace digfusion::tools {
namespace {

constexpr int ddfm_steps = 100;  // as its paper samples

TableMethod with(const std::string& name, const Parameters& parameters, const std::string& settings) {
  return {name, parse_settings(parameters, settings)};
}

/// "DIG-25".
TableMethod dig(Parameters parameters, int steps) {
  parameters.steps = steps;
  return {"DIG-" + std::to_string(steps), parameters};
}

TableMethod equal_weights(const std::string& name, const Parameters& parameters) {
  return with(name, parameters, "distance=none");
}

TableMethod em(const std::string& name, Parameters parameters, int steps) {
  parameters.guidance = Guidance::em;
  parameters.steps = steps;
  return {name, parameters};
}

TableMethod ddfm(const Parameters& parameters) {
  return em("EM-" + std::to_string(ddfm_steps) + " (DDFM)", parameters, ddfm_steps);
}

TableMethod smoothed(Parameters parameters) {
  const Parameters defaults;
  parameters.temperature = defaults.temperature;
  parameters.draws = defaults.draws;
  parameters.smoothing = defaults.smoothing;
  return {dig(parameters, parameters.steps).name + ", smoothed", parameters};
}

/// What the program does by itself: the task's own parameters, and of the user's only where it runs.
TableMethod own_way(const Parameters& parameters, Task task) {
  Parameters own = parameters_of(task);
  own.device = parameters.device;
  own.precision = parameters.precision;
  own.threads = parameters.threads;
  own.student = parameters.student;
  std::string name = name_of("method", static_cast<int>(own.method));
  for (const TaskSpec& spec : task_table())
    if (spec.task == task && task != Task::visible_infrared) name += std::string(", task ") + spec.name;
  return {name, own};
}

}  // namespace

std::vector<Task> table_tasks(int table) {
  if (table == 2) return {Task::focus, Task::exposure};
  return {Task::visible_infrared};
}

std::vector<TableMethod> table_methods(int table, const Parameters& p, Task task) {
  switch (table) {
    case 1:
    case 2:
      return {dig(p, p.steps), smoothed(p), equal_weights("w = 1/K", p), ddfm(p), own_way(p, task)};
    case 3:
      return {with("distance=l2", p, "distance=l2"), with("distance=l1", p, "distance=l1"),
              with("distance=ssim", p, "distance=ssim"), equal_weights("none: w = 1/K", p),
              em("none: EM (DDFM)", p, p.steps)};
    case 4:
      return {with("S=1", p, "interval=1"), with("S=5", p, "interval=5"), with("S=10", p, "interval=10"),
              with("S=20", p, "interval=20")};
    default:
      return {dig(p, 15), dig(p, 20), dig(p, 25), dig(p, 50), ddfm(p)};
  }
}

}  // namespace digfusion::tools
