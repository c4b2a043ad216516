// SPDX-License-Identifier: GPL-2.0
#include "json.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void put(struct json *j, const char *text, size_t len)
{
	if (j->full || j->len + len >= j->size) {
		j->full = true;
		return;
	}
	memcpy(j->buf + j->len, text, len);
	j->len += len;
	j->buf[j->len] = '\0';
}

static void puts_raw(struct json *j, const char *text)
{
	put(j, text, strlen(text));
}

/* Length of the UTF-8 sequence at s, 0 when it is not one. */
static size_t utf8_len(const unsigned char *s)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t len = s[0] < 0x80 ? 1 : s[0] >= 0xf0 && s[0] < 0xf8 ? 4 :
		     s[0] >= 0xe0 ? 3 : s[0] >= 0xc0 ? 2 : 0;
	uint32_t c;

	if (len <= 1)
		return len;
	if (s[0] >= 0xf8)
		return 0;
	c = s[0] & (0x7f >> len);
	for (size_t i = 1; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	if (c < least[len] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	return len;
}

static void put_string(struct json *j, const char *value)
{
	const unsigned char *s = (const unsigned char *)value;
	char esc[8];

	puts_raw(j, "\"");
	while (*s) {
		size_t len = utf8_len(s);

		if (*s == '"' || *s == '\\') {
			snprintf(esc, sizeof(esc), "\\%c", *s);
			puts_raw(j, esc);
		} else if (*s < 0x20 || *s == 0x7f) {
			snprintf(esc, sizeof(esc), "\\u%04x", *s);
			puts_raw(j, esc);
		} else if (len) {
			put(j, (const char *)s, len);
		} else {
			puts_raw(j, "\\ufffd");
		}
		s += len ? len : 1;
	}
	puts_raw(j, "\"");
}

static void start(struct json *j, const char *key)
{
	if (j->comma)
		puts_raw(j, ",");
	j->comma = true;
	if (key) {
		put_string(j, key);
		puts_raw(j, ":");
	}
}

void json_init(struct json *j, char *buf, size_t size)
{
	*j = (struct json){ .buf = buf, .size = size };
	buf[0] = '\0';
}

void json_open(struct json *j, const char *key, char bracket)
{
	start(j, key);
	put(j, &bracket, 1);
	j->comma = false;
}

void json_close(struct json *j, char bracket)
{
	put(j, &bracket, 1);
	j->comma = true;
}

void json_str(struct json *j, const char *key, const char *value)
{
	start(j, key);
	if (value)
		put_string(j, value);
	else
		puts_raw(j, "null");
}

void json_uint(struct json *j, const char *key, uint64_t value)
{
	char num[24];

	start(j, key);
	snprintf(num, sizeof(num), "%" PRIu64, value);
	puts_raw(j, num);
}

void json_seconds(struct json *j, const char *key, uint64_t ns)
{
	char num[40];

	start(j, key);
	snprintf(num, sizeof(num), "%" PRIu64 ".%06" PRIu64,
		 ns / 1000000000, ns % 1000000000 / 1000);
	puts_raw(j, num);
}

void json_null(struct json *j, const char *key)
{
	start(j, key);
	puts_raw(j, "null");
}
