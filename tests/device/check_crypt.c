// SPDX-License-Identifier: GPL-2.0-only
/*
 * fscrypt: the page cache holds the plain text and the disk does not; with the key
 * taken away, a read does what pread(2) does.
 */
#include <linux/fscrypt.h>
#include <sys/ioctl.h>
#include "device_disk.h"
#include "device_kind.h"

#define SIZE KB(512)
#define ID 35

START_TEST(an_encrypted_file_is_plain_to_its_reader_and_not_on_the_disk)
{
	const struct dev_fs *fs = dev_kind("ext4-crypt");
	int fd = dev_cold_file(fs, SIZE, ID);
	unsigned char *buf = dev_buf(SIZE), page[4096];
	struct nbread_cqe cqe;
	struct nbread ring;

	dev_ring(&ring, 8);
	for (int cold = 1; cold >= 0; cold--) {
		cqe = dev_read(&ring, fd, buf, SIZE, 0, 0);
		ck_assert_int_eq(cqe.res, SIZE);
		ck_assert_uint_eq(cqe.flags & NBREAD_CQE_HIT, cold ? 0 : NBREAD_CQE_HIT);
		dev_check(buf, SIZE, 0, ID);
		memset(buf, 0xa5, SIZE);
	}
	for (size_t off = 0; off < SIZE; off += 16 * PG) {
		disk_read(fs, dev_sector(fd, off), page);
		for (size_t at = 0; at < PG; at += 512)
			ck_assert_int_eq(nbtest_mismatch(page + at, 8, off + at, ID, 1) >= 0, 1);
	}
	nbread_queue_exit(&ring);
}
END_TEST

/* Takes the key of the file's folder away; whether the kernel says that files are in use */
static bool remove_key(int fd)
{
	struct fscrypt_get_policy_ex_arg policy = { .policy_size = sizeof(policy.policy) };
	struct fscrypt_remove_key_arg arg = { .removal_status_flags = 0 };
	int top = open("/run/nbt-kind.below", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	ck_assert_int_ge(top, 0);
	ck_assert_int_eq(ioctl(fd, FS_IOC_GET_ENCRYPTION_POLICY_EX, &policy), 0);
	ck_assert_uint_eq(policy.policy.version, FSCRYPT_POLICY_V2);
	arg.key_spec.type = FSCRYPT_KEY_SPEC_TYPE_IDENTIFIER;
	memcpy(arg.key_spec.u.identifier, policy.policy.v2.master_key_identifier,
	       FSCRYPT_KEY_IDENTIFIER_SIZE);
	ck_assert_int_eq(ioctl(top, FS_IOC_REMOVE_ENCRYPTION_KEY, &arg), 0);
	close(top);
	return arg.removal_status_flags & FSCRYPT_KEY_REMOVAL_STATUS_FLAG_FILES_BUSY;
}

START_TEST(with_the_key_taken_away_an_open_file_is_read_as_by_pread)
{
	const struct dev_fs *fs = dev_kind("ext4-crypt");
	int fd = dev_cold_file(fs, SIZE, ID);
	unsigned char *buf = dev_buf(SIZE), *own = dev_buf(SIZE);
	struct nbread_cqe cqe;
	struct nbread ring;
	char name[128];

	dev_ring(&ring, 8);
	snprintf(name, sizeof(name), "%s/file%d", fs->mnt, ID);
	/* The folder's policy is asked for by the file: the key stays with it as long as it is open. */
	ck_assert(remove_key(fd));
	for (int i = 0; i < 2; i++) {
		ssize_t n = pread(fd, own, SIZE, 0);
		int err = n < 0 ? -errno : (int)n;

		nbtest_evict(fd);
		cqe = dev_read(&ring, fd, buf, SIZE, 0, i ? NBREAD_SQE_ASYNC : 0);
		ck_assert_int_eq(cqe.res, err);
		if (n > 0)
			ck_assert_mem_eq(buf, own, n);
	}
	nbread_queue_exit(&ring);
	close(fd);
	/* Nobody opens it any more: ENOENT or ENOKEY, by what is left in the dentry cache. */
	nbtest_drop_caches();
	ck_assert_int_eq(open(name, O_RDONLY), -1);
	dev_kind_done();
}
END_TEST

Suite *check_crypt_suite(void)
{
	Suite *s = suite_create("crypt");

	nbtest_add(s, an_encrypted_file_is_plain_to_its_reader_and_not_on_the_disk);
	nbtest_add(s, with_the_key_taken_away_an_open_file_is_read_as_by_pread);
	return s;
}
