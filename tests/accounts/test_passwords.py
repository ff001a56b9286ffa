"""Which passwords are too easily guessed by who knows the person."""

from tests.accounts.cases import OTHER_PASSWORD, PASSWORD, AccountCase, log_in, make_user


class LikeThePerson(AccountCase):
    def test_a_password_like_the_name_or_the_address(self) -> None:
        user = make_user("wera.inber@example.com", name="Konstantin Paustovsky")
        header = f"Bearer {log_in(user).access_token}"
        for weak in ("konstantin1", "Paustovsky7", "wera.inber@example"):
            with self.subTest(weak):
                change = {"old_password": PASSWORD, "new_password": weak}
                answer = self.graphql.ask("change password", change, header)
                self.assertEqual((answer.code, answer.field), ("WEAK_PASSWORD", "new_password"))
        change = {"old_password": PASSWORD, "new_password": OTHER_PASSWORD}
        self.assertIsNone(self.graphql.ask("change password", change, header).code)
