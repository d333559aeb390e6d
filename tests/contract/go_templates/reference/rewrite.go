package main

import (
	"strconv"
	"text/template/parse"
)

// asking are the functions whose arguments may be missing.
var asking = map[string]bool{"default": true, "pipedDefault": true, "and": true, "or": true, "not": true}

// rewriteList tells the two ways to call default apart, which a function can't see for itself, and, where explicit,
// replaces each chain of fields by a call of explicitField.
func rewriteList(list *parse.ListNode, explicit bool) {
	if list == nil {
		return
	}
	for _, node := range list.Nodes {
		switch n := node.(type) {
		case *parse.ActionNode:
			rewritePipe(n.Pipe, explicit, false)
		case *parse.IfNode:
			rewritePipe(n.Pipe, explicit, true)
			rewriteList(n.List, explicit)
			rewriteList(n.ElseList, explicit)
		case *parse.WithNode:
			rewritePipe(n.Pipe, explicit, true)
			rewriteList(n.List, explicit)
			rewriteList(n.ElseList, explicit)
		case *parse.RangeNode:
			rewritePipe(n.Pipe, explicit, false)
			rewriteList(n.List, explicit)
			rewriteList(n.ElseList, explicit)
		case *parse.TemplateNode:
			rewritePipe(n.Pipe, explicit, false)
		}
	}
}

func function(cmd *parse.CommandNode) string {
	if identifier, ok := cmd.Args[0].(*parse.IdentifierNode); ok {
		return identifier.Ident
	}
	return ""
}

func rewritePipe(pipe *parse.PipeNode, explicit, asks bool) {
	if pipe == nil {
		return
	}
	for stage, cmd := range pipe.Cmds {
		if stage > 0 && function(cmd) == "default" {
			cmd.Args[0].(*parse.IdentifierNode).Ident = "pipedDefault"
		}
	}
	for stage, cmd := range pipe.Cmds {
		may := asks
		if stage+1 < len(pipe.Cmds) {
			may = asking[function(pipe.Cmds[stage+1])]
		}
		name := function(cmd)
		for i, arg := range cmd.Args {
			switch {
			case i > 0:
				cmd.Args[i] = rewrite(arg, explicit, asking[name])
			case name == "" && stage == 0 && len(cmd.Args) == 1:
				cmd.Args[i] = rewrite(arg, explicit, may)
			}
		}
	}
}

func rewrite(node parse.Node, explicit, asks bool) parse.Node {
	switch n := node.(type) {
	case *parse.PipeNode:
		rewritePipe(n, explicit, asks)
	case *parse.FieldNode:
		if explicit {
			return lookUp(&parse.DotNode{NodeType: parse.NodeDot, Pos: n.Pos}, n.Ident, asks)
		}
	case *parse.VariableNode:
		if explicit && len(n.Ident) > 1 {
			names := n.Ident[1:]
			n.Ident = n.Ident[:1]
			return lookUp(n, names, asks)
		}
	case *parse.ChainNode:
		n.Node = rewrite(n.Node, explicit, asks)
		if explicit {
			return lookUp(n.Node, n.Field, asks)
		}
	}
	return node
}

func lookUp(receiver parse.Node, names []string, asks bool) parse.Node {
	pos := receiver.Position()
	args := []parse.Node{
		parse.NewIdentifier("explicitField").SetPos(pos),
		&parse.BoolNode{NodeType: parse.NodeBool, Pos: pos, True: asks},
		receiver,
	}
	for _, name := range names {
		args = append(args, &parse.StringNode{NodeType: parse.NodeString, Pos: pos, Quoted: strconv.Quote(name), Text: name})
	}
	cmd := &parse.CommandNode{NodeType: parse.NodeCommand, Pos: pos, Args: args}
	return &parse.PipeNode{NodeType: parse.NodePipe, Pos: pos, Cmds: []*parse.CommandNode{cmd}}
}
