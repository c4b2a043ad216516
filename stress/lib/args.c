// SPDX-License-Identifier: GPL-2.0
/* The command line: the options that all races have, and the race's own. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core.h"

#define DURATION_DEFAULT_S	10
#define DURATION_MAX_S		(7.0 * 86400)

struct args args;

static char problem[256];

static const char *const mode_names[] = {
	[MODE_NATURAL] = "natural",
	[MODE_WIDENED] = "widened",
	[MODE_CONTROL] = "control",
	NULL
};

const char *mode_name(enum race_mode mode)
{
	return mode_names[mode];
}

static int find(const char *const *names, const char *value)
{
	for (int i = 0; names[i]; i++)
		if (!strcmp(names[i], value))
			return i;
	return -1;
}

static bool parse_uint(const char *text, uint64_t *out)
{
	char *end;

	/* strtoull() would take a sign and negate. */
	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*out = strtoull(text, &end, 10);
	return !errno && !*end;
}

static bool parse_duration(const char *text, double *out)
{
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	*out = strtod(text, &end);
	return !*end && *out > 0 && *out <= DURATION_MAX_S;
}

static const char *bad(const char *name, const char *value, const char *wanted)
{
	snprintf(problem, sizeof(problem), "--%s %.80s: %s", name, value, wanted);
	return problem;
}

static const char *bad_value(const struct race_option *o, const char *value)
{
	char wanted[160];
	size_t len;

	if (!o->values) {
		snprintf(wanted, sizeof(wanted),
			 "want a number from %lu to %lu", o->min, o->max);
		return bad(o->name, value, wanted);
	}
	len = snprintf(wanted, sizeof(wanted), "want one of");
	for (int i = 0; o->values[i] && len < sizeof(wanted); i++)
		len += snprintf(wanted + len, sizeof(wanted) - len, " %s",
				o->values[i]);
	return bad(o->name, value, wanted);
}

static bool option_takes(const struct race_option *o, const char *value)
{
	uint64_t n;

	if (o->values)
		return find(o->values, value) >= 0;
	return parse_uint(value, &n) && n >= o->min && n <= o->max;
}

static const char *own_option(const struct race *r, const char *name,
			      const char *value, struct args *out)
{
	for (int i = 0; r->options && r->options[i].name; i++) {
		const struct race_option *o = &r->options[i];

		if (strcmp(o->name, name))
			continue;
		if (!option_takes(o, value))
			return bad_value(o, value);
		out->values[i] = value;
		return NULL;
	}
	snprintf(problem, sizeof(problem), "--%.80s: no such option", name);
	return problem;
}

static const char *one_option(const struct race *r, const char *name,
			      const char *value, struct args *out)
{
	uint64_t n;
	int i;

	if (!strcmp(name, "mode")) {
		i = find(mode_names, value);
		if (i < 0)
			return bad(name, value,
				   "want natural, widened or control");
		out->mode = i;
	} else if (!strcmp(name, "duration")) {
		if (!parse_duration(value, &out->duration_s))
			return bad(name, value, "want seconds above 0");
	} else if (!strcmp(name, "seed")) {
		if (!parse_uint(value, &out->seed))
			return bad(name, value, "want a decimal number");
	} else if (!strcmp(name, "dir")) {
		out->dir = value;
	} else if (!strcmp(name, "report-fd")) {
		if (!parse_uint(value, &n) || n > INT32_MAX ||
		    fcntl((int)n, F_GETFD) < 0)
			return bad(name, value, "want an open descriptor");
		out->report_fd = (int)n;
	} else {
		return own_option(r, name, value, out);
	}
	return NULL;
}

const char *args_parse(const struct race *r, int argc, char **argv,
		       struct args *out)
{
	const char *wrong;

	*out = (struct args){
		.duration_s = DURATION_DEFAULT_S,
		.seed = race_now_ns(),
		.dir = ".",
		.report_fd = -1,
	};
	for (int i = 0; r->options && r->options[i].name; i++)
		out->values[i] = r->options[i].def;

	for (int i = 1; i < argc; i++) {
		char name[64];
		const char *value = strchr(argv[i], '=');
		size_t len = value ? (size_t)(value - argv[i]) : strlen(argv[i]);

		if (strncmp(argv[i], "--", 2) || len - 2 >= sizeof(name)) {
			snprintf(problem, sizeof(problem),
				 "%.80s: not an option", argv[i]);
			return problem;
		}
		memcpy(name, argv[i] + 2, len - 2);
		name[len - 2] = '\0';
		if (!value && !strcmp(name, "help")) {
			out->help = true;
			continue;
		}
		if (!value && !strcmp(name, "describe")) {
			out->describe = true;
			continue;
		}
		if (value)
			value++;
		else if (++i < argc)
			value = argv[i];
		else
			return bad(name, "", "a value is missing");
		wrong = one_option(r, name, value, out);
		if (wrong)
			return wrong;
	}
	return NULL;
}

void args_help(const struct race *r, FILE *out)
{
	fprintf(out, "%s: %s\n\nusage: %s [options]\n", r->name, r->summary,
		r->name);
	fprintf(out,
		"  --mode natural|widened|control\n"
		"                       widened opens the race's windows, control its plant;\n"
		"                       both need the module (natural)\n"
		"  --duration SECONDS   how long; a control ends as soon as it is proven (%d)\n"
		"  --seed N             repeats the plan of an earlier run (from the clock)\n"
		"  --dir DIR            where files go (.)\n"
		"  --report-fd FD       records for programs, one JSON object a line\n"
		"  --describe           this race as JSON\n"
		"  --help\n", DURATION_DEFAULT_S);
	for (int i = 0; r->options && r->options[i].name; i++) {
		const struct race_option *o = &r->options[i];

		fprintf(out, "  --%s ", o->name);
		if (!o->values)
			fprintf(out, "N");
		for (int v = 0; o->values && o->values[v]; v++)
			fprintf(out, "%s%s", v ? "|" : "", o->values[v]);
		fprintf(out, "\n                       %s (%s)\n", o->help, o->def);
	}
	fprintf(out, "\nexit: 0 no failure seen, 1 failure, 2 usage, 4 skipped, 5 the program failed\n");
}

void args_describe_exposure(const struct race_exposure *e, struct json *j)
{
	json_open(j, "exposure", '{');
	json_str(j, "counter", e->counter);
	json_uint(j, "min", e->min);
	json_close(j, '}');
}

void args_describe(const struct race *r, struct json *j)
{
	json_open(j, NULL, '{');
	json_str(j, "name", r->name);
	json_str(j, "theme", r->theme);
	json_str(j, "summary", r->summary);
	json_open(j, "needs", '[');
	for (int i = 0; r->needs && r->needs[i]; i++)
		json_str(j, NULL, r->needs[i]);
	json_close(j, ']');
	json_open(j, "windows", '[');
	for (const struct race_window *w = r->windows; w && w->name; w++) {
		json_open(j, NULL, '{');
		json_str(j, "name", w->name);
		json_uint(j, "min_ns", w->min_ns);
		json_uint(j, "max_ns", w->max_ns);
		json_uint(j, "one_in", w->one_in);
		json_uint(j, "budget_us_per_s", w->budget_us_per_s);
		json_close(j, '}');
	}
	json_close(j, ']');
	json_str(j, "control", r->control);
	args_describe_exposure(&r->exposure, j);
	json_open(j, "options", '[');
	for (int i = 0; r->options && r->options[i].name; i++) {
		const struct race_option *o = &r->options[i];

		json_open(j, NULL, '{');
		json_str(j, "name", o->name);
		if (o->values) {
			json_open(j, "values", '[');
			for (int v = 0; o->values[v]; v++)
				json_str(j, NULL, o->values[v]);
			json_close(j, ']');
		} else {
			json_null(j, "values");
		}
		json_str(j, "default", o->def);
		json_str(j, "help", o->help);
		json_close(j, '}');
	}
	json_close(j, ']');
	json_close(j, '}');
}

void args_replay(const struct race *r, const struct args *a, char *buf,
		 size_t size)
{
	size_t len = snprintf(buf, size,
			      "%s --mode %s --duration %g --seed %" PRIu64 " --dir %s",
			      r->name, mode_name(a->mode), a->duration_s,
			      a->seed, a->dir);

	for (int i = 0; r->options && r->options[i].name && len < size; i++)
		len += snprintf(buf + len, size - len, " --%s %s",
				r->options[i].name, a->values[i]);
}

static int own_index(const char *name)
{
	for (int i = 0; race.options && race.options[i].name; i++)
		if (!strcmp(race.options[i].name, name))
			return i;
	race_error("the race asks for an option --%s that it does not declare",
		   name);
}

const char *race_option(const char *name)
{
	return args.values[own_index(name)];
}

int race_option_index(const char *name)
{
	int i = own_index(name);

	return find(race.options[i].values, args.values[i]);
}

unsigned long race_option_number(const char *name)
{
	return strtoul(race_option(name), NULL, 10);
}

const char *race_dir(void)
{
	return args.dir;
}

enum race_mode race_mode(void)
{
	return args.mode;
}
