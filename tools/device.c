// SPDX-License-Identifier: MIT
/*
 * device.c - why /dev/nbread cannot be used, in words, and what to do about it.
 *
 * The library says -ENODEV, -EACCES or -EPERM; the rest is seen from the outside:
 * sysfs tells whether the module is loaded, the module index whether it is
 * installed for this kernel, the node whom it belongs to.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "nbread-info.h"

#define GROUP "nbread"

static void say(const char *what)
{
	fprintf(stderr, "nbread-info: %s\n", what);
}

static void advise(const char *what)
{
	fprintf(stderr, "             %s\n", what);
}

const char *nbread_module_version(char *buf, size_t size)
{
	FILE *f = fopen("/sys/module/nbread/version", "re");
	const char *line;

	if (!f)
		return NULL;
	line = fgets(buf, (int)size, f);
	fclose(f);
	if (line)
		buf[strcspn(buf, "\n")] = '\0';
	return line;
}

static int is_loaded(void)
{
	return access("/sys/module/nbread", F_OK) == 0;
}

/* A user name or group name that is in no data base is printed as its number. */
static const char *owner(uid_t uid, char *buf, size_t size)
{
	const struct passwd *pw = getpwuid(uid);

	snprintf(buf, size, "%u", (unsigned int)uid);
	return pw ? pw->pw_name : buf;
}

static const char *group(gid_t gid, char *buf, size_t size)
{
	const struct group *gr = getgrgid(gid);

	snprintf(buf, size, "%u", (unsigned int)gid);
	return gr ? gr->gr_name : buf;
}

/* Does the index of modules for the running kernel name it? -1: there is no index. */
static int is_installed(const char *release)
{
	char line[4096], path[4096];
	int found = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/lib/modules/%s/modules.dep", release);
	f = fopen(path, "re");
	if (!f)
		return -1;
	while (!found && fgets(line, sizeof(line), f))
		found = strstr(line, "/nbread.ko") != NULL;
	fclose(f);
	return found;
}

static void explain_not_loaded(void)
{
	struct utsname u;
	char line[256];
	int installed;

	say("the kernel module nbread is not loaded.");
	if (uname(&u))
		return;
	installed = is_installed(u.release);
	if (installed > 0) {
		advise("It is installed for this kernel. Load it, as root: modprobe nbread");
		advise("If that says 'Key was rejected by service', Secure Boot wants it signed with a key");
		advise("that this machine trusts: mokutil --import /var/lib/dkms/mok.pub, then restart.");
	} else if (installed == 0) {
		snprintf(line, sizeof(line), "It is not installed for this kernel, %s.", u.release);
		advise(line);
		advise("Install the package nbread-dkms and the headers of this kernel (Debian: linux-headers-");
		advise("of the same name); 'dkms status' says what was built for which kernel.");
	} else {
		snprintf(line, sizeof(line),
			 "This looks like a container (there is no /lib/modules/%s):", u.release);
		advise(line);
		advise("load the module on the host, then pass the device in: --device " NBREAD_DEVICE);
	}
}

static void explain_no_device(void)
{
	struct stat st;

	if (!is_loaded()) {
		explain_not_loaded();
	} else if (stat(NBREAD_DEVICE, &st)) {
		say("the module is loaded, but there is no " NBREAD_DEVICE " here.");
		advise("In a container: pass it in with --device " NBREAD_DEVICE
		       ". In a chroot: mount");
		advise("the host's /dev there. Else udev or devtmpfs is not running.");
	} else {
		say("there is a " NBREAD_DEVICE ", but it is not the device of the loaded module.");
		advise("It was left over from another boot or copied. Remove it and load the module anew:");
		advise("rm " NBREAD_DEVICE "; modprobe -r nbread; modprobe nbread");
	}
}

/* Is the caller a member by the data base, which this session may not know yet? */
static int is_member(const struct group *gr, const char *user)
{
	char **m;

	for (m = gr->gr_mem; *m; m++)
		if (!strcmp(*m, user))
			return 1;
	return 0;
}

static void explain_permission(void)
{
	char user[LOGIN_NAME_MAX], name[LOGIN_NAME_MAX], gname[LOGIN_NAME_MAX], line[1024];
	const struct group *gr;
	struct stat st;

	if (stat(NBREAD_DEVICE, &st)) {
		say("no permission to look at " NBREAD_DEVICE ".");
		return;
	}
	snprintf(user, sizeof(user), "%s", owner(geteuid(), name, sizeof(name)));
	snprintf(line, sizeof(line),
		 "no permission: " NBREAD_DEVICE " is %s:%s, mode %04o; you are %s.",
		 owner(st.st_uid, name, sizeof(name)), group(st.st_gid, gname, sizeof(gname)),
		 (unsigned int)st.st_mode & 07777, user);
	say(line);
	if (eaccess(NBREAD_DEVICE, R_OK | W_OK) == 0) {
		advise("By owner and mode you might open it, so something else forbids it: a security");
		advise("module (look for 'denied' in the kernel's log), or a mount with nodev.");
		return;
	}
	/* In a container the group is that of the host, whose name its image does not know. */
	if (st.st_gid && (st.st_mode & 0060) == 0060) {
		snprintf(
			line, sizeof(line),
			"In a container: start it with --group-add %u, the number of the device's group",
			(unsigned int)st.st_gid);
		advise(line);
		advise("(rootless podman: --group-add keep-groups). Else:");
	}
	gr = getgrnam(GROUP);
	if (!gr) {
		advise("There is no group '" GROUP
		       "' on this machine. The package nbread-dkms makes it; by");
		advise("hand: groupadd --system " GROUP
		       ", then install the udev rule (make install).");
	} else if (st.st_gid != gr->gr_gid || (st.st_mode & 0060) != 0060) {
		advise("It should be root:" GROUP
		       ", mode 0660: the udev rule was not applied. As root:");
		advise("udevadm control --reload; udevadm trigger --settle " NBREAD_DEVICE);
	} else if (is_member(gr, user)) {
		advise("You are in the group '" GROUP
		       "', but this session began before: log in again.");
	} else {
		snprintf(line, sizeof(line),
			 "Members of the group '" GROUP "' may. As root: adduser %s " GROUP
			 ", then log in again.",
			 user);
		advise(line);
		advise("A service: SupplementaryGroups=" GROUP
		       " in its unit. A container: --group-add with");
		advise("the number of that group on the host.");
	}
}

void nbread_explain(int ret)
{
	char line[256];

	switch (ret) {
	case -ENODEV:
		explain_no_device();
		break;
	case -EACCES:
		explain_permission();
		break;
	case -EPERM:
		say("the kernel forbids " NBREAD_DEVICE
		    " to this container or service (device cgroup).");
		advise("Container: start it with --device " NBREAD_DEVICE
		       ". Service: DeviceAllow=" NBREAD_DEVICE " rw in its unit.");
		break;
	case -EMFILE:
		say("this user or process has as many rings or open files as it may have.");
		advise("Look at 'ulimit -n'; close rings that are not used.");
		break;
	case -EPROTO:
	case -ENOTTY:
		say(NBREAD_DEVICE " answers, but not as this library expects it.");
		advise("Module and library do not belong together: install both of one version, then");
		advise("modprobe -r nbread; modprobe nbread");
		break;
	default:
		snprintf(line, sizeof(line), "%s: %s", NBREAD_DEVICE, strerror(-ret));
		say(line);
	}
}
