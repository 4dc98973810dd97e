"""Who gave an answer: the API itself, or something in front of it (CASES B1, C1)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_starvideos.api.origins import is_from_api
from airflow_provider_starvideos.exceptions import StarVideosNotFoundError
from tests.unit.test_protocol_errors import ORDER, QUERY, error

API: dict[str, tuple[int, Any]] = {
    "error text": (401, {"error": "Invalid API key."}),
    "error object": (403, {"error": {"message": "not yours", "code": "forbidden"}}),
    "error list": (422, {"error": ["bad ratio"]}),
    "error list of objects": (422, {"error": [{"msg": "bad ratio"}]}),
    "error code alone": (404, {"error": {"code": "video_not_found"}}),
    "code and message": (503, {"code": 503, "message": "busy, try later"}),
    "code and msg": (429, {"code": 429, "msg": "slow down"}),
    "a code that is no status": (400, {"code": 1001, "msg": "bad ratio"}),
    "an envelope without words": (404, {"code": 404, "data": None}),
    "inside a 200": (200, {"code": 401, "message": "Invalid API key.", "data": None}),
    "error inside a 200": (200, {"error": {"code": 404, "message": "no such video"}}),
    "404, message about a video": (404, {"message": "video not found"}),
    "404, message about a task": (404, {"message": "任务不存在"}),
    "503, error text": (503, {"error": "the queue is full"}),
    "further fields": (503, {"error": {"message": "overloaded"}, "request_id": "r-1", "trace": {"a": 1}}),
}
HTML = b"<!DOCTYPE html><html><head><title>503 Service Unavailable</title></head></html>"
BETWEEN: dict[str, tuple[int, Any]] = {
    "AWS API Gateway, Forbidden": (403, {"message": "Forbidden"}),
    "AWS API Gateway, token": (403, {"message": "Missing Authentication Token"}),
    "AWS API Gateway, null": (404, {"message": None}),
    "AWS API Gateway, unavailable": (503, {"message": "Service Unavailable"}),
    "AWS IAM": (403, {"Message": "User is not authorized to access this resource"}),
    "AWS REST error": (403, {"Type": "User", "Code": "AccessDenied", "Message": "no"}),
    "Kong, no route": (404, {"message": "no Route matched with those values", "request_id": "a"}),
    "Kong, no peer": (503, {"message": "failure to get a peer from the ring-balancer"}),
    "Kong, 503 with a code": (503, {"code": 503, "message": "failure to get a peer from the ring-balancer"}),
    "Apigee": (503, {"fault": {"faultstring": "The Service is temporarily unavailable", "detail": {}}}),
    "WSO2": (404, {"fault": {"code": 404, "message": "No matching resource found"}, "code": 404, "message": "x"}),
    "Azure API Management": (401, {"statusCode": 401, "message": "Access denied", "code": 401}),
    "Spring Boot": (404, {"timestamp": "t", "status": 404, "error": "Video missing", "path": "/v1/result/video_1"}),
    "Spring Cloud Gateway": (503, {"timestamp": "t", "path": "/x", "status": 503, "error": "Busy", "requestId": "a"}),
    "Zuul": (500, {"timestamp": 1, "status": 500, "error": "Internal Server Error", "message": "GENERAL"}),
    "Nest": (404, {"statusCode": 404, "error": "Not Found", "message": "no video"}),
    "FastAPI": (404, {"detail": "Not Found"}),
    "Express": (404, {"error": "Cannot GET /v1/result/video_1"}),
    "a bare phrase": (503, {"error": "Service Unavailable"}),
    "a bare phrase with a point": (401, {"error": "Unauthorized."}),
    "Cloudflare, API": (403, {"success": False, "errors": [{"code": 1000, "message": "no"}], "result": None}),
    "Cloudflare, RFC 9457": (429, {"type": "t", "title": "Error 1015", "status": 429, "error_code": 1015}),
    "Cloudflare, with error": (503, {"ray_id": "1", "error": "origin is down"}),
    "Cloudflare, text": (403, b"error code: 1020"),
    "Tyk": (503, {"error": "There was a problem proxying the request"}),
    "Tyk, timeout": (503, {"error": "Upstream service reached hard timeout."}),
    "APISIX": (404, {"error_msg": "404 Route Not Found"}),
    "Gravitee": (503, {"message": "No endpoint", "http_status_code": 503, "code": 503}),
    "IBM API Connect": (401, {"httpCode": "401", "httpMessage": "Unauthorized", "code": 1, "message": "x"}),
    "Sentinel": (503, {"code": 503, "message": "Blocked by Sentinel: FlowException"}),
    "Google ESPv2": (503, {"code": 14, "message": "upstream connect error or disconnect/reset before headers"}),
    "Alibaba": (503, {"RequestId": "A", "Code": "ServiceUnavailable", "Message": "x"}),
    "Tencent, XML": (503, b"<?xml version='1.0'?><Error><Code>ServiceUnavailable</Code></Error>"),
    "Envoy": (503, b"upstream connect error or disconnect/reset before headers"),
    "Istio": (503, b"no healthy upstream"),
    "Traefik": (404, b"404 page not found"),
    "nginx": (503, HTML),
    "empty": (503, b""),
    "an empty object": (404, {}),
    "a list": (404, [{"error": "x"}]),
    "a text": (404, "video not found"),
    "null": (404, b"null"),
    "an empty error": (404, {"error": {}}),
    "an empty list": (404, {"error": []}),
    "this server's unknown path": (404, {"message": "No handler found for GET /v1/result/video_1"}),
    "the same in error": (404, {"error": "NO HANDLER FOUND FOR GET /x"}),
    "the same with a code": (404, {"code": 404, "message": "No handler found for GET /v1/result/video_1"}),
    "a path with video in it": (404, {"message": "nothing at /v1/starvideos/video"}),
    "a message without a code": (401, {"message": "Invalid authentication credentials"}),
    **{
        f"{status}, the API's shape": (status, {"error": {"message": "x", "code": status}})
        for status in (301, 302, 307, 407, 408, 421, 444, 460, 463, 497, 499, 502, 504, 520, 522, 524, 530, 599)
    },
}


@pytest.mark.parametrize(("status", "body"), API.values(), ids=API)
def test_what_the_api_itself_says(status: int, body: Any) -> None:
    """Its own JSON, in one of its shapes."""
    assert error(QUERY, status, body).from_api
    assert error(ORDER, status, body).from_api


@pytest.mark.parametrize(("status", "body"), BETWEEN.values(), ids=BETWEEN)
def test_what_something_in_between_says(status: int, body: Any) -> None:
    """Whatever its form: not the API's word, and never about the video."""
    found = error(QUERY, status, body)
    assert not found.from_api
    assert not (isinstance(found, StarVideosNotFoundError) and found.names_video)
    assert not error(ORDER, status, body).from_api


@pytest.mark.parametrize("body", [b"<html>", b"", {}, {"code": 200, "data": {}}, {"id": "video_2", "status": "queued"}])
def test_a_success_that_cannot_be_read_is_nobodys_word(body: Any) -> None:
    """It says nothing that is known, and so ends no wait."""
    assert not error(QUERY, 200, body).from_api


def test_an_answer_that_was_cut_at_the_cap_is_nobodys_word() -> None:
    """What was left out might say something else."""
    body = json.dumps({"error": "no such video"}).encode()
    found = error(QUERY, 404, body, too_large=True)
    assert not found.from_api


@pytest.mark.parametrize("status", [400, 404, 500, 503])
@pytest.mark.parametrize("name", ["code", "error", "message", "msg", "data", "detail", "status"])
@pytest.mark.parametrize("value", [[], {}, [[]], [{}], {"code": []}, True, 1.5, -1, "", None], ids=str)
def test_a_field_of_any_type_is_read(value: Any, name: str, status: int) -> None:
    """An error with a list as its code is an error of that status, as any other; it ends no wait by itself."""
    assert isinstance(is_from_api(status, {name: value}), bool)
    assert isinstance(is_from_api(status, {name: value, "code": value}), bool)
