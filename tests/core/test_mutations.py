"""Responses to several mutations in one request."""

from django.test import TestCase

from tests.support.clients import GraphQLClient
from tests.support.people import make_user

REQUEST = """
mutation {
  accepted: tokenCreate(input: {email: "vera@example.com", password: "correct horse"}) { accessToken }
  refused: tokenRevoke { errors { code } }
}
"""


class SeveralMutationsTest(TestCase):
    def test_refusal_of_one_keeps_the_results_of_the_others(self) -> None:
        make_user("vera@example.com", "correct horse")
        body = GraphQLClient().post(REQUEST).json()
        assert body["data"]["accepted"]["accessToken"]
        assert body["data"]["refused"] is None
        [error] = body["errors"]
        assert (error["path"], error["extensions"]["code"]) == (["refused"], "UNAUTHENTICATED")
