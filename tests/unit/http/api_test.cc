// Routes without a socket and, where it does not matter, without a backend.
#include "http/api.h"

#include <gtest/gtest.h>

#include <string>

namespace payonce::http {
namespace {

Settings settings() {
  Settings with;
  with.default_currency = *Currency::find("USD");
  with.version = "{}";
  return with;
}

Reply ask(Api& api, std::string_view method, std::string_view path) {
  Call call;
  call.method = method;
  call.path = path;
  return api.handle(call);
}

TEST(Api, WithoutBackend_IsAliveButNotReady) {
  Api api(settings());
  EXPECT_EQ(ask(api, "GET", "/livez").status, 200);
  EXPECT_EQ(ask(api, "GET", "/health").status, 200);
  EXPECT_EQ(ask(api, "GET", "/version").status, 200);
  for (const char* path : {"/readyz", "/healthz", "/v1/payments", "/v1/ledger", "/v1/accounts/a"}) {
    const Reply reply = ask(api, "GET", path);
    EXPECT_EQ(reply.status, 503) << path;
    EXPECT_TRUE(reply.retry_after_s) << path;
  }
  EXPECT_EQ(ask(api, "POST", "/v1/payments").status, 503);
}

TEST(Api, UnknownPath_Is404) {
  Api api(settings());
  for (const char* path : {"/", "/v1", "/v1/", "/v1/payment", "/v1/payments/", "/v1/payments/a/b",
                           "/v1/payments//events", "/V1/payments", "//", "/v1/accounts/a/b/c/d"}) {
    EXPECT_EQ(ask(api, "GET", path).status, 404) << path;
  }
}

TEST(Api, UnknownMethod_Is405WithTheMethodsThatAreThere) {
  Api api(settings());
  EXPECT_EQ(ask(api, "DELETE", "/v1/payments").status, 405);
  EXPECT_EQ(ask(api, "DELETE", "/v1/payments").allow, "POST, GET, HEAD");
  EXPECT_EQ(ask(api, "POST", "/v1/ledger").allow, "GET, HEAD");
  EXPECT_EQ(ask(api, "PUT", "/v1/accounts/a/deposits").allow, "POST");
  EXPECT_EQ(ask(api, "POST", "/livez").status, 405);
}

TEST(Api, Head_IsServedWhereGetIs) {
  Api api(settings());
  EXPECT_EQ(ask(api, "HEAD", "/livez").status, 200);
}

}  // namespace
}  // namespace payonce::http
