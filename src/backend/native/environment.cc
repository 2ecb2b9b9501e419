/*
 * What has to be said to a native library before it is loaded, as a module of Node that is loaded first; built
 * by `npm run setup:tensorflow`.
 *
 * A library reads its settings from the environment of the process. In a worker thread `process.env` is a copy,
 * and what is assigned there never gets to it: without this, a model in a thread (that of every command) would
 * compute with the library's defaults, TF32 on a GPU among them.
 */
#include <node_api.h>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace {

std::string textOf(napi_env env, napi_value value) {
  size_t length = 0;
  if (napi_get_value_string_utf8(env, value, nullptr, 0, &length) != napi_ok) return "";
  std::string text(length, '\0');
  napi_get_value_string_utf8(env, value, &text[0], length + 1, &length);
  return text;
}

/** setVariable(name, value): in the environment of the process, whatever thread asks. */
napi_value setVariable(napi_env env, napi_callback_info info) {
  size_t count = 2;
  napi_value arguments[2];
  napi_get_cb_info(env, info, &count, arguments, nullptr, nullptr);
  if (count == 2) setenv(textOf(env, arguments[0]).c_str(), textOf(env, arguments[1]).c_str(), 1);
  return nullptr;
}

FILE* spoken = nullptr;

/**
 * hush(true): what libraries print to C's standard error is lost, until hush(false). TensorFlow tells of oneDNN
 * while it is loaded, before it has looked for its log level. Node's own standard error is a file descriptor.
 */
napi_value hush(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value arguments[1];
  bool quiet = false;
  napi_get_cb_info(env, info, &count, arguments, nullptr, nullptr);
  if (count == 1) napi_get_value_bool(env, arguments[0], &quiet);
  if (quiet && spoken == nullptr) {
    static FILE* nowhere = std::fopen("/dev/null", "we");
    if (nowhere == nullptr) return nullptr;
    spoken = stderr;
    stderr = nowhere;
  } else if (!quiet && spoken != nullptr) {
    stderr = spoken;
    spoken = nullptr;
  }
  return nullptr;
}

}  // namespace

NAPI_MODULE_INIT() {
  napi_value function;
  napi_create_function(env, "setVariable", NAPI_AUTO_LENGTH, setVariable, nullptr, &function);
  napi_set_named_property(env, exports, "setVariable", function);
  napi_create_function(env, "hush", NAPI_AUTO_LENGTH, hush, nullptr, &function);
  napi_set_named_property(env, exports, "hush", function);
  return exports;
}
