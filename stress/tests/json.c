// SPDX-License-Identifier: GPL-2.0
#include "json.h"

#include <string.h>

#include "ktap.h"

static char buf[256];

static const char *escaped(const char *value)
{
	struct json j;

	json_init(&j, buf, sizeof(buf));
	json_str(&j, NULL, value);
	return buf;
}

static void strings(void)
{
	CHECK(!strcmp(escaped("plain"), "\"plain\""));
	CHECK(!strcmp(escaped("a\"b\\c"), "\"a\\\"b\\\\c\""));
	CHECK(!strcmp(escaped("\n\t\x01\x7f"), "\"\\u000a\\u0009\\u0001\\u007f\""));
	CHECK(!strcmp(escaped("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"),
		      "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\""));
	CHECK(!strcmp(escaped(NULL), "null"));
}

static void no_utf8(void)
{
	/* Lone, cut off, overlong, surrogate, beyond the last code point. */
	CHECK(!strcmp(escaped("\xff"), "\"\\ufffd\""));
	CHECK(!strcmp(escaped("\x80x"), "\"\\ufffdx\""));
	CHECK(!strcmp(escaped("\xc3"), "\"\\ufffd\""));
	CHECK(!strcmp(escaped("\xc0\xaf"), "\"\\ufffd\\ufffd\""));
	CHECK(!strcmp(escaped("\xed\xa0\x80"), "\"\\ufffd\\ufffd\\ufffd\""));
	CHECK(!strcmp(escaped("\xf4\x90\x80\x80"),
		      "\"\\ufffd\\ufffd\\ufffd\\ufffd\""));
}

static void objects(void)
{
	struct json j;

	json_init(&j, buf, sizeof(buf));
	json_open(&j, NULL, '{');
	json_uint(&j, "n", 18446744073709551615ULL);
	json_open(&j, "a", '[');
	json_str(&j, NULL, "x");
	json_str(&j, NULL, "y");
	json_close(&j, ']');
	json_open(&j, "o", '{');
	json_close(&j, '}');
	json_seconds(&j, "s", 1002003004);
	json_null(&j, "z");
	json_close(&j, '}');
	CHECK(!strcmp(buf, "{\"n\":18446744073709551615,\"a\":[\"x\",\"y\"],\"o\":{},\"s\":1.002003,\"z\":null}"));
	CHECK(!j.full);
}

static void overflow(void)
{
	char small[8];
	struct json j;

	json_init(&j, small, sizeof(small));
	json_str(&j, NULL, "123456789");
	CHECK(j.full);
	CHECK(strlen(small) < sizeof(small));
	json_init(&j, small, sizeof(small));
	json_str(&j, NULL, "12345");
	CHECK(!j.full);
}

int main(void)
{
	static const struct test tests[] = {
		{ "json: strings", strings },
		{ "json: bytes that are no UTF-8", no_utf8 },
		{ "json: objects", objects },
		{ "json: overflow", overflow },
	};

	return KTAP_RUN(tests);
}
