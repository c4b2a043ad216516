/* SPDX-License-Identifier: GPL-2.0 */
/* Writes one JSON object into a buffer, which is always valid to print. */
#ifndef STRESS_JSON_H
#define STRESS_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json {
	char *buf;
	size_t size, len;
	bool comma;	/* the next member needs a comma before it */
	bool full;	/* something did not fit; buf is not complete */
};

void json_init(struct json *j, char *buf, size_t size);
/* key is NULL inside an array. */
void json_open(struct json *j, const char *key, char bracket);
void json_close(struct json *j, char bracket);
/* A NULL value becomes null. Bytes that are no UTF-8 become U+FFFD. */
void json_str(struct json *j, const char *key, const char *value);
void json_uint(struct json *j, const char *key, uint64_t value);
void json_seconds(struct json *j, const char *key, uint64_t ns);
void json_null(struct json *j, const char *key);

#endif /* STRESS_JSON_H */
