// SPDX-License-Identifier: GPL-2.0
/*
 * Every file that a user sees, docs/contracts.md section 1.
 *
 * A write is one line; one that is refused changes nothing. debugfs keeps
 * the module in place while a file is open.
 */
#include <linux/ctype.h>
#include <linux/debugfs.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/utsname.h>

#include "mmrace.h"

#define MAX_REQUEST	256

static struct dentry *dir;

static void head(struct seq_file *m, const char *file)
{
	seq_printf(m, "# mmrace %s %d\n", file, MMRACE_ABI_VERSION);
}

/* The line without its blanks at the ends, or an error. */
static char *get_request(const char __user *buf, size_t len)
{
	char *text, *line;

	if (!len || len >= MAX_REQUEST)
		return ERR_PTR(-EINVAL);
	text = memdup_user_nul(buf, len);
	if (IS_ERR(text))
		return text;
	line = strim(text);
	if (!*line || strlen(text) != strlen(line) + (line - text) ||
	    strchr(line, '\n')) {
		kfree(text);
		return ERR_PTR(-EINVAL);
	}
	memmove(text, line, strlen(line) + 1);
	return text;
}

/* A file that is read by NAME_show() and, with _RW, written by NAME_request(). */
#define MMR_OPEN(name)							\
static int name##_open(struct inode *inode, struct file *file)		\
{									\
	return single_open(file, name##_show, inode->i_private);	\
}

#define MMR_FOPS_RO(name)						\
MMR_OPEN(name)								\
static const struct file_operations name##_fops = {			\
	.owner		= THIS_MODULE,					\
	.open		= name##_open,					\
	.read		= seq_read,					\
	.llseek		= seq_lseek,					\
	.release	= single_release,				\
}

#define MMR_WRITE(name)							\
static ssize_t name##_write(struct file *file, const char __user *buf,	\
			    size_t len, loff_t *pos)			\
{									\
	char *request = get_request(buf, len);				\
	int err;							\
									\
	if (IS_ERR(request))						\
		return PTR_ERR(request);				\
	err = name##_request(request);					\
	kfree(request);							\
	return err ?: len;						\
}

#define MMR_FOPS_RW(name)						\
MMR_OPEN(name)								\
MMR_WRITE(name)								\
static const struct file_operations name##_fops = {			\
	.owner		= THIS_MODULE,					\
	.open		= name##_open,					\
	.read		= seq_read,					\
	.write		= name##_write,					\
	.llseek		= seq_lseek,					\
	.release	= single_release,				\
}

#define MMR_FOPS_WO(name)						\
MMR_WRITE(name)								\
static const struct file_operations name##_fops = {			\
	.owner		= THIS_MODULE,					\
	.open		= simple_open,					\
	.write		= name##_write,					\
	.llseek		= noop_llseek,					\
}

static int version_show(struct seq_file *m, void *v)
{
	head(m, "version");
	seq_printf(m, "module %s\n", THIS_MODULE->version);
	seq_printf(m, "abi %d\n", MMRACE_ABI_VERSION);
	seq_printf(m, "kernel %s\n", init_utsname()->release);
	seq_printf(m, "srcversion %s\n", THIS_MODULE->srcversion);
	return 0;
}
MMR_FOPS_RO(version);

static int caps_show(struct seq_file *m, void *v)
{
	head(m, "caps");
	mmr_caps_show(m);
	return 0;
}
MMR_FOPS_RO(caps);

static int probes_show(struct seq_file *m, void *v)
{
	static const char *const states[] = {
		[MMR_ABSENT]	= "absent",
		[MMR_ARMED]	= "armed",
		[MMR_DISABLED]	= "disabled",
	};
	unsigned int i;

	head(m, "probes");
	for (i = 0; i < MMR_NR_PROBES; i++) {
		const struct mmr_probe *probe = &mmr_probes[i];

		seq_printf(m, "%s %s %s ", probe->name, probe->group,
			   states[probe->state]);
		mmr_sites_show(m, probe->site, probe->nr_sites);
		seq_printf(m, " %llu %lu %s %s\n", mmr_probe_hits(i),
			   mmr_probe_missed(probe),
			   probe->has_window ? "yes" : "no", probe->reason);
	}
	return 0;
}

/* "enable NAME" or "disable NAME" */
static int switch_request(char *request, int (*fn)(const char *what, bool on))
{
	char *verb = strsep(&request, " ");

	if (!request)
		return -EINVAL;
	if (!strcmp(verb, "enable"))
		return fn(request, true);
	if (!strcmp(verb, "disable"))
		return fn(request, false);
	return -EINVAL;
}

static int probes_request(char *request)
{
	return switch_request(request, mmr_probes_switch);
}
MMR_FOPS_RW(probes);

static int counters_show(struct seq_file *m, void *v)
{
	head(m, "counters");
	mmr_counters_show(m);
	return 0;
}
MMR_FOPS_RO(counters);

static int reset_request(char *request)
{
	if (strcmp(request, "1"))
		return -EINVAL;
	mmr_counters_reset();
	mmr_hist_reset();
	mmr_probes_reset();
	mmr_window_reset();
	mmr_findings_reset();
	return 0;
}
MMR_FOPS_WO(reset);

static int hist_show(struct seq_file *m, void *v)
{
	unsigned long hist = (unsigned long)m->private;

	seq_printf(m, "# mmrace hist/%s %d\n", mmr_hist_names[hist],
		   MMRACE_ABI_VERSION);
	mmr_hist_show(m, hist);
	return 0;
}
MMR_FOPS_RO(hist);

static int target_show(struct seq_file *m, void *v)
{
	head(m, "target");
	mmr_target_show(m);
	return 0;
}

static int target_request(char *request)
{
	return mmr_target_set(request);
}
MMR_FOPS_RW(target);

static int windows_show(struct seq_file *m, void *v)
{
	head(m, "windows");
	mmr_window_show(m);
	return 0;
}

static int windows_request(char *request)
{
	return mmr_window_set(request);
}
MMR_FOPS_RW(windows);

static int seed_show(struct seq_file *m, void *v)
{
	head(m, "seed");
	seq_printf(m, "%llu\n", mmr_window_get_seed());
	return 0;
}

static int seed_request(char *request)
{
	u64 seed;

	if (kstrtou64(request, 10, &seed))
		return -EINVAL;
	mmr_window_seed(seed);
	return 0;
}
MMR_FOPS_RW(seed);

static int plants_show(struct seq_file *m, void *v)
{
	head(m, "plants");
	mmr_plants_show(m);
	return 0;
}

static int plants_request(char *request)
{
	return mmr_plants_set(request);
}
MMR_FOPS_RW(plants);

static int checkers_show(struct seq_file *m, void *v)
{
	head(m, "checkers");
	mmr_checkers_show(m);
	return 0;
}

static int checkers_request(char *request)
{
	return switch_request(request, mmr_checkers_switch);
}
MMR_FOPS_RW(checkers);

static int selftest_request(char *request)
{
	return mmr_checkers_forge(request);
}
MMR_FOPS_WO(selftest);

static int themes_show(struct seq_file *m, void *v)
{
	head(m, "themes");
	mmr_themes_show(m);
	return 0;
}
MMR_FOPS_RO(themes);

static int findings_show(struct seq_file *m, void *v)
{
	head(m, "findings");
	mmr_findings_show(m);
	return 0;
}
MMR_FOPS_RO(findings);

int mmr_debugfs_init(void)
{
	struct dentry *hists;
	unsigned long i;

	dir = debugfs_create_dir(MMRACE_DEBUGFS_DIR, NULL);
	debugfs_create_file("version", 0444, dir, NULL, &version_fops);
	debugfs_create_file("caps", 0444, dir, NULL, &caps_fops);
	debugfs_create_file("probes", 0644, dir, NULL, &probes_fops);
	debugfs_create_file("counters", 0444, dir, NULL, &counters_fops);
	debugfs_create_file("reset", 0200, dir, NULL, &reset_fops);
	debugfs_create_file("target", 0644, dir, NULL, &target_fops);
	debugfs_create_file("windows", 0644, dir, NULL, &windows_fops);
	debugfs_create_file("seed", 0644, dir, NULL, &seed_fops);
	debugfs_create_file("plants", 0644, dir, NULL, &plants_fops);
	debugfs_create_file("checkers", 0644, dir, NULL, &checkers_fops);
	debugfs_create_file("selftest", 0200, dir, NULL, &selftest_fops);
	debugfs_create_file("findings", 0444, dir, NULL, &findings_fops);
	debugfs_create_file("themes", 0444, dir, NULL, &themes_fops);
	hists = debugfs_create_dir("hist", dir);
	for (i = 0; i < MMR_NR_HISTS; i++)
		debugfs_create_file(mmr_hist_names[i], 0444, hists, (void *)i,
				    &hist_fops);
	return 0;
}

void mmr_debugfs_exit(void)
{
	debugfs_remove_recursive(dir);
}
