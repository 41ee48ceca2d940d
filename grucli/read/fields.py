"""The fields of a record that the program uses, each described once: those of a `Comment`, and `thread` and `turn`."""

from collections.abc import Mapping
from typing import Final, NamedTuple

TEXT: Final = "body"


class Field(NamedTuple):
    """A field, and the column in which a source may have it.

    `flag`: names the column, "" if the user cannot; `help_text`: of that option. `plural`: what is in the field, in
    messages. `usual_names`: of the column, most usual first, as `columns.normalize_name` returns them. The field is
    found under its own name as well; a name may be preceded by the word "comment" or by the names of the objects it
    stands in (`comment_score`, `data.author`).
    """

    flag: str
    help_text: str
    plural: str
    usual_names: tuple[str, ...] = ()


FIELDS: Mapping[str, Field] = {
    TEXT: Field(
        "--column", "Text column, by name or number (from 1).", "texts",
        (
            "body", "comment", "text", "content", "message", "msg", "reply", "textoriginal", "bodytext", "textbody",
            "bodyraw", "rawbody", "fulltext", "messagetext", "messagebody", "messagecontent", "textcontent",
            "replytext", "replybody", "comments", "contents", "messages", "texts", "tweet", "utterance", "kommentar",
            "commentaire", "comentario", "texte", "textdisplay",
        ),
    ),
    "id": Field(
        "--id-column", "Column of the comment's id.", "ids",
        (
            "id", "cid", "messageid", "msgid", "redditid", "fullname", "idstr", "replyid", "name",
        ),
    ),
    "author": Field(
        "--author-column", "Column of the author.", "authors",
        (
            "author", "username", "user", "authorname", "commenter", "commentername", "screenname", "userscreenname",
            "authordisplayname", "authorusername", "redditor", "sender", "sendername", "poster", "postedby", "writer",
            "displayname", "nickname", "nick", "handle", "from", "fromname", "speaker", "userlogin", "login", "auteur",
            "autor", "authors", "usernames", "userid", "authorid", "authorurl", "userurl", "profileurl", "name",
        ),
    ),
    "subreddit": Field(
        "--subreddit-column", "Column of the subreddit.", "subreddits",
        (
            "subreddit", "subredditname", "subredditdisplayname", "sub", "communityname", "parsedcommunityname",
            "community", "subredditnameprefixed", "subreddits",
        ),
    ),
    "score": Field(
        "--score-column", "Column of the score.", "scores",
        (
            "score", "ups", "upvotes", "likes", "likecount", "upvotecount", "points", "votes", "votecount", "numlikes",
            "numupvotes", "karmascore", "karma", "punkte", "puntos",
        ),
    ),
    "created_utc": Field(
        "--time-column", "Column of the time.", "times",
        (
            "createdutc", "created", "createdat", "timestamp", "datetime", "date", "time", "publishedat", "published",
            "postedat", "postedon", "posted", "createdtime", "createddate", "datecreated", "timecreated",
            "creationdate", "creationtime", "dateposted", "dateutc", "timeutc", "utc", "utctime", "createdunix",
            "unixtime", "unixtimestamp", "timeunix", "epoch", "ts", "publishdate", "publishtime", "datum", "fecha",
        ),
    ),
    "link_id": Field(
        "--link-column", "Column of the post's id.", "posts",
        (
            "linkid", "submissionid", "postid", "linkfullname", "submissionname", "topicid", "videoid", "articleid",
            "storyid", "submission", "post", "link", "posturl", "submissionurl", "linkurl",
        ),
    ),
    "parent_id": Field(
        "--parent-column", "Column of the id that a comment replies to.", "parents",
        (
            "parentid", "parent", "parentcommentid", "parentmessageid", "replytoid", "replyto", "replytomessageid",
            "inreplytoid", "inreplyto", "inreplytostatusid", "parentfullname",
        ),
    ),
    "thread": Field(
        "--thread-column", "Column that names the conversation.", "threads",
        (
            "thread", "threadid", "conversation", "conversationid", "convid", "dialogue", "dialogueid", "dialog",
            "dialogid",
        ),
    ),
    "turn": Field(
        "", "", "turns",
    ),
}  # fmt: skip
