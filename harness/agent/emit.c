// SPDX-License-Identifier: GPL-2.0
/*
 * Records: one JSON object a line, built in memory and written whole.
 *
 * Bytes above 0x7e are sent as \u00XX (that is, read as Latin-1): a kernel
 * log or a torn line must never make the record invalid.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <errno.h>

#include "agent.h"

static int out_fd = -1;
static long long sequence;

static char *buffer;
static size_t used;
static size_t room;

static void put(const char *data, size_t len)
{
	if (used + len + 1 > room) {
		room = (used + len + 1) * 2;
		buffer = realloc(buffer, room);
		if (!buffer)
			abort();
	}
	memcpy(buffer + used, data, len);
	used += len;
}

static void put_format(const char *format, ...)
{
	char text[64];
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	put(text, (size_t)len);
}

static void put_quoted(const char *text, size_t len)
{
	put("\"", 1);
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c == '"' || c == '\\')
			put_format("\\%c", c);
		else if (c == '\n')
			put("\\n", 2);
		else if (c == '\t')
			put("\\t", 2);
		else if (c < 0x20 || c > 0x7e)
			put_format("\\u%04x", c);
		else
			put((const char *)&c, 1);
	}
	put("\"", 1);
}

static void put_key(const char *key)
{
	put(",", 1);
	put_quoted(key, strlen(key));
	put(":", 1);
}

void emit_open(int fd)
{
	out_fd = fd;
}

void emit_begin(const char *type)
{
	used = 0;
	put_format("{\"seq\":%lld,\"t\":", sequence++);
	put_quoted(type, strlen(type));
}

void emit_text(const char *key, const char *text, size_t len)
{
	put_key(key);
	put_quoted(text, len);
}

void emit_str(const char *key, const char *text)
{
	emit_text(key, text, strlen(text));
}

void emit_int(const char *key, long long value)
{
	put_key(key);
	put_format("%lld", value);
}

void emit_bool(const char *key, bool value)
{
	put_key(key);
	put(value ? "true" : "false", value ? 4 : 5);
}

void emit_null(const char *key)
{
	put_key(key);
	put("null", 4);
}

void emit_seconds(const char *key, double seconds)
{
	put_key(key);
	put_format("%.3f", seconds);
}

void emit_raw(const char *key, const char *json, size_t len)
{
	put_key(key);
	put(json, len);
}

void emit_end(void)
{
	size_t done = 0;

	put("}\n", 2);
	while (done < used) {
		ssize_t n = write(out_fd, buffer + done, used - done);

		if (n < 0 && errno != EINTR)
			return;	/* the reader is gone: nothing is left to tell */
		if (n > 0)
			done += (size_t)n;
	}
}

void emit_reply(const char *id, int error)
{
	emit_begin("reply");
	emit_str("id", id);
	emit_bool("ok", error == 0);
	if (error)
		emit_str("error", strerror(error));
	else
		emit_null("error");
	emit_end();
}
